import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { isDroverError } from '@drover/protocol'
import { BatchWriter, channels, contentTypes, ReceiptClock, RecordCursor } from './batch.ts'
import { type EmbeddedQueueOptions, openEmbeddedQueue } from './embedded.ts'
import type { Consumer, Queue, StoredPosition } from './queue.ts'

function folder(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'drover-queue-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return directory
}

const open = (directory: string, options: Partial<EmbeddedQueueOptions> = {}) =>
  openEmbeddedQueue({
    directory,
    bytesMax: 1 << 30,
    diskReserveBytes: 0,
    handoffBytesMax: 1 << 24,
    ...options,
  })

const consume = (queue: Queue, consumer: string, stored?: StoredPosition) =>
  queue.consume({ consumer, after: async () => stored, nextBytesMax: 50_000 })

const writer = new BatchWriter(
  randomBytes(8),
  new ReceiptClock(new SharedArrayBuffer(8), () => Date.now() * 1000),
)

function batchOf(records: number) {
  for (let each = 0; each < records; each++)
    writer.add(1, 2, channels.telemetry, contentTypes.json, 0, '', Buffer.from('{"a":1}'))
  return writer.seal()
}

const code = (expected: string) => (error: unknown) => isDroverError(error) && error.code === expected

async function takeUpTo(consumer: Consumer, position: number): Promise<number> {
  let last = 0
  while (last < position) {
    const deliveries = await consumer.next()
    assert.ok(deliveries.length > 0, 'the consumer was closed')
    const { firstPosition, count } = deliveries.at(-1)!
    last = firstPosition + count - 1
  }
  return last
}

/** A gateway's part: appends numbered records from a thread of its own, a few batches at a time. */
const producerThread = `
  import { workerData, parentPort } from 'node:worker_threads'
  const { port, name, batches, records, modules } = workerData
  const { connectProducer } = await import(modules.producer)
  const { BatchWriter, ReceiptClock } = await import(modules.batch)
  const queue = connectProducer(port)
  const clock = new ReceiptClock(workerData.clock, () => Date.now() * 1000)
  const writer = new BatchWriter(Buffer.from(name.repeat(8)), clock)
  let number = 0
  const lane = async (share) => {
    for (let batch = 0; batch < share; batch++) {
      for (let each = 0; each < records; each++)
        writer.add(1, 1, 1, 0, 0, '', Buffer.from((name + number++).padEnd(500)))
      await queue.append(writer.seal())
    }
  }
  await Promise.all([lane(batches / 2), lane(batches / 2)])
  port.close()`

test('from threads that append to a consumer that falls behind: every record once, each producer in order', {
  timeout: 60_000,
}, async (t) => {
  const queue = await open(folder(t), { handoffBytesMax: 200_000 })
  const consumer = await consume(queue, 'store')
  const clock = new SharedArrayBuffer(8)
  const modules = {
    producer: new URL('./embedded-producer.ts', import.meta.url).href,
    batch: new URL('./batch.ts', import.meta.url).href,
  }
  const names = ['a', 'b', 'c']
  const workers = names.map((name) => {
    const port = queue.producerPort()
    const workerData = { port, name, batches: 200, records: 10, modules, clock }
    const source = new URL(`data:text/javascript,${encodeURIComponent(producerThread)}`)
    return new Worker(source, { workerData, transferList: [port] })
  })
  const exits = Promise.all(workers.map((worker) => once(worker, 'exit')))

  const numbers = new Map(names.map((name) => [name, 0]))
  const total = 3 * 200 * 10
  let expected = 1
  let calls = 0
  while (expected <= total) {
    // Slow every now and then, so that it is parted from the hand-off and joins again.
    if (++calls % 5 === 0) await new Promise((resolve) => setTimeout(resolve, calls % 4 === 0 ? 30 : 5))
    for (const { firstPosition, count, bytes } of await consumer.next()) {
      assert.equal(firstPosition, expected)
      const cursor = new RecordCursor(bytes)
      while (cursor.next()) {
        const text = cursor.payload.toString().trimEnd()
        const number = numbers.get(text[0]!)!
        assert.equal(text, `${text[0]}${number}`)
        numbers.set(text[0]!, number + 1)
      }
      expected += count
    }
    await consumer.commit(0, expected - 1)
  }
  assert.deepEqual([...numbers.values()], [2000, 2000, 2000])
  await exits
  await queue.close()
})

test('several consumers are handed the same batches', async (t) => {
  const queue = await open(folder(t))
  const consumers = await Promise.all(['store', 'rules', 'audit'].map((name) => consume(queue, name)))
  const waiting = consumers.map((consumer) => takeUpTo(consumer, 5))
  await queue.append(batchOf(5))
  assert.deepEqual(await Promise.all(waiting), [5, 5, 5])
  await queue.close()
})

test('a log thread that fails: what waits is refused, and the owner is told', async (t) => {
  const failed = Promise.withResolvers<Error>()
  const queue = await open(folder(t), { onFailure: failed.resolve })
  const consumer = await consume(queue, 'store')
  const next = assert.rejects(consumer.next(), code('queueUnavailable'))
  // No writer makes a batch without records: it is a mistake in the program, not a fault to go on with.
  const append = queue.append({ bytes: new Uint8Array(100), count: 0 })
  await assert.rejects(append, code('queueUnavailable'))
  await next
  assert.match((await failed.promise).message, /at least one record/)
  await assert.rejects(queue.append(batchOf(1)), code('queueUnavailable'))
  await queue.close()
})

test('a log file that is damaged is refused', async (t) => {
  const directory = folder(t)
  writeFileSync(join(directory, 'log.sqlite'), randomBytes(10_000))
  await assert.rejects(open(directory), code('corruptData'))
})

test('below the disk reserve appends are refused, and nothing of them is kept', async (t) => {
  const queue = await open(folder(t), { diskReserveBytes: Number.MAX_SAFE_INTEGER })
  await assert.rejects(queue.append(batchOf(1)), code('diskReserveReached'))
  assert.equal((await queue.status()).nextPosition, 1)
  await queue.close()
})

test('a backup has all that the copied store still needs, and is a queue of its own', async (t) => {
  const copy = folder(t)
  const queue = await open(folder(t), { bytesMax: 100_000 })
  const consumer = await consume(queue, 'store')
  const { identity } = await queue.status()
  await queue.append(batchOf(10))
  const stored = { identity, position: await takeUpTo(consumer, 10) }
  await consumer.commit(0, 10)
  await queue.backup(copy, async () => {
    // The store was copied with the first ten; meanwhile more is appended, stored and committed.
    for (let last = 20; last <= 100; last += 10) {
      await queue.append(batchOf(10))
      await takeUpTo(consumer, last)
      await consumer.commit(0, last)
    }
  })
  await queue.append(batchOf(10))

  const restored = await open(copy)
  const status = await restored.status()
  assert.equal(status.nextPosition, 101)
  assert.deepEqual(Object.keys(status.committed), ['store'])
  assert.equal(await takeUpTo(await consume(restored, 'store', stored), 100), 100)
  await assert.rejects(consume(restored, 'other', { identity, position: 110 }), code('identityMismatch'))
  await restored.close()

  // Retention goes on where it was held.
  await takeUpTo(consumer, 110)
  await consumer.commit(0, 110)
  await queue.close()
})

test('a backup that fails lets retention go on', async (t) => {
  const directory = folder(t)
  const queue = await open(directory)
  await assert.rejects(
    queue.backup(folder(t), () => Promise.reject(new Error('no space'))),
    /no space/,
  )
  assert.deepEqual((await queue.status()).committed, {})
  await queue.close()
})
