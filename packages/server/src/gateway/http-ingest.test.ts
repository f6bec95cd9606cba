import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { contentTypes, ReceiptClock, recordFlags } from '../queue/batch.ts'
import { createMemoryQueue } from '../queue/memory.ts'
import { createBootId } from '../runtime/ids.ts'
import { createIngest } from './http-ingest.ts'
import { readerOf, testDevice } from './test-kit.ts'

function start() {
  const queue = createMemoryQueue()
  let appends = 0
  const append: typeof queue.append = (batch) => {
    appends++
    return queue.append(batch)
  }
  const clock = new ReceiptClock(new SharedArrayBuffer(8), () => 1)
  const ingest = createIngest({ queue: { append }, clock, bootId: createBootId() })
  return { queue, ingest, records: readerOf(queue), appends: () => appends }
}

const record = (text: string, idempotencyKey?: string) => ({
  contentType: contentTypes.json,
  payload: Buffer.from(text),
  idempotencyKey,
})

test('requests of one turn share one append, and are answered when it is durable', async () => {
  const { ingest, records, appends } = start()
  await Promise.all([1, 2, 3].map((uid) => ingest.append(testDevice(uid), record(`{"a":${uid}}`))))
  assert.equal(appends(), 1)
  assert.deepEqual(
    (await records()).map(({ deviceUid, text }) => [deviceUid, text]),
    [
      [1, '{"a":1}'],
      [2, '{"a":2}'],
      [3, '{"a":3}'],
    ],
  )
})

test('an idempotency key goes with the record', async () => {
  const { ingest, records } = start()
  await ingest.append(testDevice(1), record('{}', 'abc'))
  await ingest.append(testDevice(1), record('{}'))
  assert.deepEqual(
    (await records()).map(({ key, flags }) => [key, flags]),
    [
      ['h:abc', recordFlags.deduplicate],
      ['', 0],
    ],
  )
})

test('a queue that refuses is told to the sender at once, and the next request is tried again', async () => {
  const { ingest, queue, records } = start()
  queue.fail('test')
  await assert.rejects(ingest.append(testDevice(1), record('{}')), (error) =>
    isDroverError(error, 'queueUnavailable'),
  )
  queue.recover()
  await ingest.append(testDevice(1), record('{}'))
  assert.equal((await records()).length, 1)
})
