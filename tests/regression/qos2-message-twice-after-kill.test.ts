import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestRegistry, TestSender, testProfile } from '../../packages/server/src/processing/test-kit.ts'
import { createMemoryQueue } from '../../packages/server/src/queue/memory.ts'
import { createMemoryStore } from '../../packages/server/src/store/memory.ts'
import { startStorageService } from '../../packages/server/src/threads/storage-service.ts'

/**
 * A server that was killed between the durable append of a QoS 2 message and its storing took the client for a new
 * one after the start, forgot the packet id, and stored the repeated message a second time.
 */
test('a session whose packet ids are in the unstored end of the queue is known after the start', async () => {
  const queue = createMemoryQueue()
  const sender = new TestSender()
  const { firstPosition } = await queue.append(sender.batch([{ payload: { count: 1 }, key: 'm:meter:7' }]))

  const fail = (error: unknown) => assert.fail(String(error))
  const service = await startStorageService({
    queue,
    store: createMemoryStore(),
    profiles: new TestRegistry(testProfile()),
    nowMicros: () => sender.nowMicros,
    publish: async () => {},
    onMessageFailure: fail,
    onFailure: fail,
  })
  assert.deepEqual(await service.restoredSessions(firstPosition, 10_000), [
    { deviceUid: 1, clientId: 'meter' },
  ])
  await service.close()
  await queue.close()
})
