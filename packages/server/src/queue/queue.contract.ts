import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { BatchWriter, channels, contentTypes, ReceiptClock, RecordCursor, type SealedBatch } from './batch.ts'
import type { Consumer, Delivery, Queue, QueueCapabilities, StoredPosition } from './queue.ts'

/** One queue with its records, that can be closed, opened again, and made to fail. */
export interface QueueUnderTest {
  /** Opens the queue over the records that it held when it was closed. */
  open(options?: { readonly bytesMax?: number }): Promise<Queue>
  /** Makes every append fail until `recover`. */
  fail(): void | Promise<void>
  recover(): void | Promise<void>
}

type Run = (under: QueueUnderTest, t: TestContext) => Promise<void>

const nextBytesMax = 1 << 20
const clock = new ReceiptClock(new SharedArrayBuffer(8), () => Date.now() * 1000)

/** Batches whose records hold `<name>0`, `<name>1`, …, so that order and gaps show. */
export function producer(name: string) {
  const writer = new BatchWriter(randomBytes(8), clock, 256)
  let number = 0
  return (count: number, paddingBytes = 0): SealedBatch => {
    for (let each = 0; each < count; each++) {
      const payload = Buffer.from(`${name}${number++}`.padEnd(paddingBytes))
      writer.add(1, 7, channels.telemetry, contentTypes.unknown, 0, '', payload)
    }
    return writer.seal()
  }
}

interface Seen {
  readonly position: number
  readonly text: string
}

function recordsOf(deliveries: readonly Delivery[]): Seen[] {
  return deliveries.flatMap(({ bytes, firstPosition, count }) => {
    const cursor = new RecordCursor(bytes)
    assert.equal(cursor.count, count)
    const seen: Seen[] = []
    while (cursor.next())
      seen.push({ position: firstPosition + cursor.index, text: cursor.payload.toString().trimEnd() })
    return seen
  })
}

async function take(consumer: Consumer, count: number): Promise<Seen[]> {
  const seen: Seen[] = []
  while (seen.length < count) {
    const deliveries = await consumer.next()
    assert.ok(deliveries.length > 0, 'the consumer was closed')
    seen.push(...recordsOf(deliveries))
  }
  return seen
}

const consume = (queue: Queue, consumer: string, stored?: StoredPosition, bytesMax = nextBytesMax) =>
  queue.consume({ consumer, after: async () => stored, nextBytesMax: bytesMax })

const texts = (seen: readonly Seen[]) => seen.map(({ text }) => text)
const positions = (seen: readonly Seen[]) => seen.map(({ position }) => position)
const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, at) => first + at)
const code = (expected: string) => (error: unknown) => isDroverError(error) && error.code === expected

async function appendUntilRefused(queue: Queue, batch: () => SealedBatch): Promise<unknown> {
  for (let each = 0; each < 10_000; each++) {
    try {
      await queue.append(batch())
    } catch (error) {
      return error
    }
  }
  throw new Error('the queue never refused')
}

const cases: Readonly<Record<string, Run>> = {
  'gives records in the order of their positions, without a gap': async (under) => {
    const queue = await under.open()
    const batch = producer('a')
    const consumer = await consume(queue, 'store')
    const first = await Promise.all([3, 1, 5].map((count) => queue.append(batch(count))))
    assert.deepEqual(
      first.map(({ firstPosition }) => firstPosition),
      [1, 4, 5],
    )
    const seen = await take(consumer, 9)
    assert.deepEqual(positions(seen), upTo(9))
    assert.deepEqual(
      texts(seen),
      upTo(9).map((position) => `a${position - 1}`),
    )
    await queue.close()
  },

  'keeps each producer in its order, and gives no position twice': async (under) => {
    const queue = await under.open()
    const consumer = await consume(queue, 'store')
    const names = ['a', 'b', 'c', 'd']
    const run = async (name: string) => {
      const batch = producer(name)
      const answers = []
      for (let each = 0; each < 25; each++) answers.push(queue.append(batch(1 + (each % 3))))
      return Promise.all(answers)
    }
    const answers = (await Promise.all(names.map(run))).flat()
    assert.equal(new Set(answers.map(({ firstPosition }) => firstPosition)).size, 100)
    const { nextPosition } = await queue.status()
    const seen = await take(consumer, nextPosition - 1)
    assert.deepEqual(positions(seen), upTo(nextPosition - 1))
    for (const name of names) {
      const own = texts(seen).filter((text) => text.startsWith(name))
      assert.deepEqual(
        own,
        own.map((_, at) => `${name}${at}`),
      )
    }
    await queue.close()
  },

  'waits for the first delivery': async (under) => {
    const queue = await under.open()
    const consumer = await consume(queue, 'store')
    const waiting = take(consumer, 2)
    await queue.append(producer('a')(2))
    assert.deepEqual(texts(await waiting), ['a0', 'a1'])
    const last = consumer.next()
    await consumer.close()
    assert.deepEqual(await last, [])
    assert.deepEqual(await consumer.next(), [])
    await queue.close()
  },

  'one call of next gives at least one delivery, and then what its limit allows': async (under) => {
    const queue = await under.open()
    const batch = producer('a')
    const sealed = upTo(20).map(() => batch(1, 1000))
    const [{ length }] = sealed.map(({ bytes }) => bytes) as [Uint8Array]
    await Promise.all(sealed.map((each) => queue.append(each)))
    const small = await consume(queue, 'small', undefined, 10)
    assert.deepEqual(positions(recordsOf(await small.next())), [1])
    const large = await consume(queue, 'large', undefined, 3 * length)
    for (let seen = 0; seen < 20; ) {
      const { length } = recordsOf(await large.next())
      assert.ok(length >= 1 && length <= 3, `${length} records`)
      seen += length
    }
    await queue.close()
  },

  'what was answered is there after a restart, and positions and receipt times go on': async (under) => {
    const queue = await under.open()
    const batch = producer('a')
    await queue.append(batch(3))
    const before = await queue.status()
    await queue.close()
    const again = await under.open()
    assert.deepEqual(await again.status(), before)
    assert.ok(before.lastReceivedAt > 0)
    assert.equal((await again.append(batch(2))).firstPosition, 4)
    assert.deepEqual(positions(await take(await consume(again, 'store'), 5)), upTo(5))
    await again.close()
  },

  'a consumer goes on after the position that it has stored, whatever it committed': async (under) => {
    const queue = await under.open()
    const batch = producer('a')
    for (const count of [4, 4, 4]) await queue.append(batch(count))
    const consumer = await consume(queue, 'store')
    await take(consumer, 12)
    await consumer.commit(0, 4)
    const { identity } = await queue.status()
    await queue.close()
    const again = await under.open()
    const from = async (name: string, position: number, first: number) =>
      assert.deepEqual(
        positions(await take(await consume(again, name, { identity, position }), 13 - first)),
        upTo(12, first),
      )
    await from('other', 4, 5)
    // A position inside a batch gives the whole batch again, where batches keep their shape.
    await from('inside', 6, again.capabilities.partitions === 'one' ? 5 : 7)
    await from('store', 8, 9)
    await again.close()
  },

  'retention keeps what the slowest consumer has not committed': async (under) => {
    const queue = await under.open({ bytesMax: 20_000 })
    const batch = producer('a')
    const fast = await consume(queue, 'fast')
    const slow = await consume(queue, 'slow', undefined, 1)
    for (let round = 0; round < 20; round++) {
      await queue.append(batch(2, 2000))
      const last = positions(await take(fast, 2))[1]!
      await fast.commit(0, last)
      if (round < 2) continue
      assert.deepEqual(positions(await take(slow, 2)), [last - 5, last - 4])
      await slow.commit(0, last - 4)
    }
    const { committed, firstPosition } = await queue.status()
    assert.deepEqual(committed, { fast: 40, slow: 36 })
    assert.ok(firstPosition <= 37)
    assert.deepEqual(positions(await take(slow, 4)), upTo(40, 37))
    await queue.close()
  },

  'refuses positions of another queue with identityMismatch': async (under) => {
    const queue = await under.open()
    await queue.append(producer('a')(3))
    await assert.rejects(
      consume(queue, 'store', { identity: 'another', position: 2 }),
      code('identityMismatch'),
    )
    await queue.close()
  },

  'refuses a position that it has not given yet': async (under) => {
    const queue = await under.open()
    const batch = producer('a')
    await queue.append(batch(8))
    const { identity } = await queue.status()
    await assert.rejects(consume(queue, 'early', { identity, position: 9 }), code('corruptData'))
    const consumer = await consume(queue, 'store', { identity, position: 8 })
    await queue.append(batch(1))
    assert.deepEqual(positions(await take(consumer, 1)), [9])
    await queue.close()
  },

  'appends that fail leave nothing, and it goes on when the fault has passed': async (under) => {
    const queue = await under.open()
    const batch = producer('a')
    const consumer = await consume(queue, 'store')
    await queue.append(batch(2))
    await under.fail()
    const failed = await Promise.allSettled([queue.append(batch(2)), queue.append(batch(3))])
    for (const each of failed)
      assert.ok(each.status === 'rejected' && code('queueUnavailable')(each.reason), JSON.stringify(each))
    await under.recover()
    assert.equal((await queue.append(batch(2))).firstPosition, 3)
    assert.deepEqual(texts(await take(consumer, 4)), ['a0', 'a1', 'a7', 'a8'])
    await queue.close()
  },

  'close answers what is in flight and refuses the rest with shuttingDown': async (under) => {
    const queue = await under.open()
    const batch = producer('a')
    const consumer = await consume(queue, 'store')
    const waiting = consumer.next()
    const inFlight = upTo(10).map(() => queue.append(batch(1)))
    const closing = queue.close()
    await assert.rejects(queue.append(batch(1)), code('shuttingDown'))
    await assert.rejects(consume(queue, 'late'), code('shuttingDown'))
    assert.deepEqual(
      (await Promise.all(inFlight)).map(({ firstPosition }) => firstPosition),
      upTo(10),
    )
    await closing
    assert.ok((await waiting).length >= 0)
    assert.deepEqual(await consumer.next(), [])
    await queue.close()
    const again = await under.open()
    assert.deepEqual(positions(await take(await consume(again, 'store'), 10)), upTo(10))
    await again.close()
  },
}

/** Of drivers that drop what was committed, and nothing else. */
const retentionCases: Readonly<Record<string, Run>> = {
  'refuses with queueFull at its limit, keeps what it accepted, and recovers after a commit': async (
    under,
  ) => {
    const queue = await under.open({ bytesMax: 10_000 })
    const batch = producer('a')
    const consumer = await consume(queue, 'store')
    const refused = await appendUntilRefused(queue, () => batch(1, 1000))
    assert.ok(code('queueFull')(refused))
    const status = await queue.status()
    assert.ok(status.bytes <= 10_000 && status.bytes > 8000)
    await assert.rejects(queue.append(batch(1, 1000)), code('queueFull'))
    const accepted = status.nextPosition - 1
    assert.deepEqual(positions(await take(consumer, accepted)), upTo(accepted))
    await consumer.commit(0, accepted)
    assert.equal((await queue.append(batch(1, 1000))).firstPosition, accepted + 1)
    assert.deepEqual(positions(await take(consumer, 1)), [accepted + 1])
    await queue.close()
  },

  'emptied by retention, restarted, appended, consumed: positions go on': async (under) => {
    const queue = await under.open()
    const batch = producer('a')
    const consumer = await consume(queue, 'store')
    await queue.append(batch(7))
    await take(consumer, 7)
    await consumer.commit(0, 7)
    const { identity, lastReceivedAt } = await queue.status()
    await queue.close()
    const again = await under.open()
    const status = await again.status()
    assert.equal(status.identity, identity)
    assert.equal(status.bytes, 0)
    assert.deepEqual([status.firstPosition, status.nextPosition], [8, 8])
    assert.deepEqual(status.committed, { store: 7 })
    assert.equal(status.lastReceivedAt, lastReceivedAt)
    assert.equal((await again.append(batch(1))).firstPosition, 8)
    const later = await consume(again, 'store', { identity, position: 7 })
    assert.deepEqual(await take(later, 1), [{ position: 8, text: 'a7' }])
    await again.close()
  },

  'refuses a position that it does not keep any more': async (under) => {
    const queue = await under.open()
    const batch = producer('a')
    const consumer = await consume(queue, 'store')
    await queue.append(batch(4))
    await queue.append(batch(4))
    await take(consumer, 8)
    await consumer.commit(0, 4)
    const { identity } = await queue.status()
    await queue.close()
    const again = await under.open()
    await assert.rejects(consume(again, 'late', { identity, position: 3 }), code('corruptData'))
    assert.deepEqual(
      positions(await take(await consume(again, 'store', { identity, position: 4 }), 4)),
      upTo(8, 5),
    )
    await again.close()
  },
}

const embedded: QueueCapabilities = { startAtPosition: true, partitions: 'one', retention: 'committed' }

/**
 * What every driver of the queue must do. `create` makes a queue without records, in one partition, and undoes it after the test.
 * `declared`: its capabilities; cases that do not fit them are left out.
 */
export function queueContract(
  driver: string,
  create: (t: TestContext) => QueueUnderTest,
  declared = embedded,
): void {
  const all: Record<string, Run> = {
    ...cases,
    ...(declared.retention === 'committed' && retentionCases),
    'declares what it can do': async (under) => {
      const queue = await under.open()
      assert.deepEqual(queue.capabilities, declared)
      await queue.close()
    },
  }
  for (const [name, run] of Object.entries(all))
    test(`${driver} queue: ${name}`, { timeout: 30_000 }, (t) => run(create(t), t))
}
