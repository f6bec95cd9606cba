import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { isDroverError } from '@drover/protocol'
import { defaultTenant } from '../model/device.ts'
import type { LiveUpdate } from '../processing/live.ts'
import { TestRegistry, TestSender, testProfile } from '../processing/test-kit.ts'
import { type EmbeddedQueue, openEmbeddedQueue } from '../queue/embedded.ts'
import { createMemoryQueue } from '../queue/memory.ts'
import { openRegistry } from '../registry/registry.ts'
import { createMemoryStore } from '../store/memory.ts'
import { serveReader } from './reader.ts'
import { connect, serve } from './rpc.ts'
import { connectStorage, type Storage, startStorage } from './storage-host.ts'
import { type StorageListener, startStorageService } from './storage-service.ts'

const everything = { fromMicros: 0, toMicros: Number.MAX_SAFE_INTEGER, goodOnly: false, limit: 1000 }

/** Values of the device's metric `a`, once there are so many of them. */
async function valuesOf(storage: Storage, deviceUid: number, count: number): Promise<number[]> {
  const deadline = Date.now() + 10_000
  for (;;) {
    const series = await storage.reader.series([deviceUid])
    const seriesIds = series.filter(({ metric }) => metric === 'a').map(({ id }) => id)
    const { value } = await storage.reader.points({ ...everything, seriesIds, kind: 'numbers' })
    if (value.length >= count) return [...value]
    assert.ok(Date.now() < deadline, `${value.length} of ${count} points were stored in time`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

describe('the storage service', () => {
  /** Both ends on one thread, over the memory drivers. */
  async function open(t: TestContext) {
    const queue = createMemoryQueue()
    const store = createMemoryStore()
    const registry = new TestRegistry(testProfile())
    const control = new MessageChannel()
    const reading = new MessageChannel()
    const failed = Promise.withResolvers<Error>()
    const main = connect<StorageListener>(control.port2)
    const service = await startStorageService({
      store,
      queue,
      profiles: registry,
      nowMicros: () => 0,
      publish: (update) => main.live(update),
      onMessageFailure: (error) => assert.fail(String(error)),
      onFailure: (error) => main.failed({ text: String(error) }),
    })
    serve(control.port2, service)
    serveReader(reading.port2, store.reader)
    const storage = connectStorage(control.port1, reading.port1, Promise.resolve(), {
      queryTimeoutMs: 1000,
      log: { warn: (text: string) => assert.fail(text) },
      onFailure: (error) => failed.resolve(error),
    })
    t.after(async () => {
      await storage.close()
      control.port1.close()
    })
    return { queue, store, storage, failed: failed.promise, registry, sender: new TestSender() }
  }

  it('answers queries with columns, and tells of what is stored', async (t) => {
    const { queue, storage, sender } = await open(t)
    const updates: LiveUpdate[] = []
    const updated = Promise.withResolvers<void>()
    storage.onLive((update) => {
      updates.push(update)
      updated.resolve()
    })
    storage.watch(new Set([1]))
    await storage.metrics()
    await queue.append(sender.batch([{ payload: { a: 1 } }, { payload: { a: 2 } }]))
    assert.deepEqual(await valuesOf(storage, 1, 2), [1, 2])
    await updated.promise
    const [event] = updates[0]!.events
    assert.ok(event?.event.type === 'points')
    assert.equal(event.event.points[0]!.value, 2)
    const [series] = await storage.reader.series([1])
    const buckets = await storage.reader.buckets({
      ...everything,
      seriesIds: [series!.id],
      everyMicros: 3_600_000_000,
      functions: ['avg', 'count'],
      group: 'series',
    })
    assert.deepEqual([...buckets.columns.avg!, ...buckets.columns.count!, ...buckets.good], [1.5, 2, 2])
    const { processing, store } = await storage.metrics()
    assert.equal(processing.points, 2)
    assert.equal(store.series, 1)
  })

  it('keeps the code of an error on its way', async (t) => {
    const { queue, storage, sender } = await open(t)
    await queue.append(sender.batch([{ payload: { a: 1 } }]))
    await valuesOf(storage, 1, 1)
    const [series] = await storage.reader.series([1])
    const query = {
      ...everything,
      seriesIds: [series!.id],
      everyMicros: 1,
      functions: [],
      group: 'all' as const,
    }
    await assert.rejects(storage.reader.buckets({ ...query, limit: 0 }), (error) =>
      isDroverError(error, 'queryTooLarge'),
    )
  })

  it('says so when it cannot go on, and closes all the same', async (t) => {
    const { queue, store, sender, failed } = await open(t)
    store.writer.write = async () => {
      throw new Error('the disk has gone')
    }
    await queue.append(sender.batch([{ payload: { a: 1 } }]))
    assert.match((await failed).message, /the disk has gone/)
  })

  it('forgets a deleted device', async (t) => {
    const { queue, storage, sender, registry } = await open(t)
    await queue.append(sender.batch([{ payload: { a: 1 } }]))
    await valuesOf(storage, 1, 1)
    registry.gone.add(1)
    await storage.deleteDevice(1)
    assert.deepEqual(await storage.reader.series([1]), [])
  })
})

describe('the storage thread', () => {
  async function folder(t: TestContext): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), 'drover-storage-'))
    t.after(() => rm(directory, { recursive: true }))
    const registry = await openRegistry({ path: join(directory, 'registry.sqlite'), nowMicros: () => 0 })
    await registry.devices.insert(
      defaultTenant,
      ['one', 'two'].map((id) => ({
        id,
        profile: 'default',
        name: '',
        tags: [],
        location: null,
        parentUid: null,
        state: 'active',
      })),
      0,
    )
    await registry.close()
    return directory
  }

  const openQueue = (directory: string, log = 'log') =>
    openEmbeddedQueue({
      directory: join(directory, log),
      bytesMax: 1 << 30,
      diskReserveBytes: 0,
      handoffBytesMax: 1 << 24,
    })

  const start = (directory: string, queue: EmbeddedQueue, log = 'log') =>
    startStorage({
      queue: { kind: 'embedded', port: queue.consumerPort(), directory: join(directory, log) },
      store: {
        kind: 'embedded',
        directory: join(directory, 'store'),
        memoryLimitBytes: 256 << 20,
        threads: 1,
        hotPointsMax: 1_000_000,
        replayBytesMax: 1 << 28,
        queryTimeoutMs: 10_000,
      },
      registry: { kind: 'embedded', path: join(directory, 'registry.sqlite') },
      waitingBytesMax: 1 << 28,
      queryTimeoutMs: 10_000,
      log: { warn: (text: string) => assert.fail(text) },
      onFailure: (error) => assert.fail(error),
    })

  it('stores, goes on after a restart, and copies itself', async (t) => {
    const directory = await folder(t)
    const sender = new TestSender()
    {
      const queue = await openQueue(directory)
      const storage = await start(directory, queue)
      await queue.append(
        sender.batch([
          { payload: { a: 1 }, key: 'm:client:7' },
          { payload: { a: 5 }, device: 2 },
        ]),
      )
      assert.deepEqual(await valuesOf(storage, 1, 1), [1])
      await storage.backup(join(directory, 'copy'))
      assert.notDeepEqual(await readdir(join(directory, 'copy')), [])
      await storage.close()
      await storage.close()
      await queue.append(sender.batch([{ payload: { a: 1 }, key: 'm:client:7' }, { payload: { a: 2 } }]))
      await queue.close()
    }
    const queue = await openQueue(directory)
    const storage = await start(directory, queue)
    const { nextPosition } = await queue.status()
    assert.deepEqual(await storage.restoredSessions(nextPosition - 1, 10_000), [
      { deviceUid: 1, clientId: 'client' },
    ])
    assert.deepEqual(await valuesOf(storage, 1, 2), [1, 2])
    assert.deepEqual(await valuesOf(storage, 2, 1), [5])
    await storage.close()
    await queue.close()
  })

  it('refuses a store that belongs to another log', async (t) => {
    const directory = await folder(t)
    const sender = new TestSender()
    const queue = await openQueue(directory)
    const storage = await start(directory, queue)
    await queue.append(sender.batch([{ payload: { a: 1 } }]))
    await valuesOf(storage, 1, 1)
    await storage.close()
    await queue.close()
    const other = await openQueue(directory, 'other')
    await assert.rejects(start(directory, other, 'other'), (error) =>
      isDroverError(error, 'identityMismatch'),
    )
    await other.close()
  })
})
