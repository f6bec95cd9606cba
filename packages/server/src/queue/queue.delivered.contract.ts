import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { RecordCursor, type SealedBatch } from './batch.ts'
import { producer, type QueueUnderTest } from './queue.contract.ts'
import type { Consumer, Delivery, Queue, StoredPosition } from './queue.ts'

type Run = (under: QueueUnderTest) => Promise<void>

interface Seen {
  readonly partition: number
  readonly position: number
  readonly version: number
  readonly text: string
}

const identity = 'rabbitmq'
const bytesMax = 1 << 20

function seenIn({ partition, bytes, firstPosition, firstVersion, count }: Delivery): Seen[] {
  const cursor = new RecordCursor(bytes)
  assert.equal(cursor.count, count)
  const seen: Seen[] = []
  while (cursor.next())
    seen.push({
      partition,
      position: firstPosition + cursor.index,
      version: (firstVersion ?? firstPosition) + cursor.index,
      text: cursor.payload.toString().trimEnd(),
    })
  return seen
}

async function take(consumer: Consumer, count: number): Promise<Seen[]> {
  const seen: Seen[] = []
  while (seen.length < count) {
    const deliveries = await consumer.next()
    assert.ok(deliveries.length > 0, 'the consumer was closed')
    seen.push(...deliveries.flatMap(seenIn))
  }
  return seen
}

const consume = (queue: Queue, stored?: StoredPosition, nextBytesMax = bytesMax) =>
  queue.consume({ consumer: 'store', after: async () => stored, nextBytesMax })

const texts = (seen: readonly Seen[]) => seen.map(({ text }) => text)
const versions = (seen: readonly Seen[]) => seen.map(({ version }) => version)
const named = (name: string, from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => `${name}${from + at}`)
const code = (expected: string) => (error: unknown) => isDroverError(error) && error.code === expected
const copy = ({ bytes, count }: SealedBatch): SealedBatch => ({ bytes: bytes.slice(), count })

/** Positions of a partition follow on each other from `first` on. */
function assertNoGap(seen: readonly Seen[], first = 1): void {
  assert.deepEqual(
    seen.map(({ position }) => position),
    seen.map((_, at) => first + at),
  )
}

const cases: Readonly<Record<string, Run>> = {
  'gives what is appended in its order, with positions without a gap and rising versions': async (under) => {
    await using queue = disposable(await under.open())
    const batch = producer('a')
    const consumer = await consume(queue)
    for (const count of [3, 1, 5]) await queue.append(batch(count))
    const seen = await take(consumer, 9)
    assert.deepEqual(texts(seen), named('a', 0, 9))
    assertNoGap(seen)
    for (const [at, version] of versions(seen).slice(1).entries()) assert.ok(version > versions(seen)[at]!)
  },

  'keeps each producer in its order': async (under) => {
    await using queue = disposable(await under.open())
    const consumer = await consume(queue)
    const names = ['a', 'b', 'c', 'd']
    await Promise.all(
      names.map(async (name) => {
        const batch = producer(name)
        await Promise.all(Array.from({ length: 25 }, () => queue.append(batch(2))))
      }),
    )
    const seen = await take(consumer, 200)
    assertNoGap(seen)
    assert.equal(new Set(versions(seen)).size, 200)
    for (const name of names)
      assert.deepEqual(
        texts(seen).filter((text) => text.startsWith(name)),
        named(name, 0, 50),
      )
  },

  'waits for the first delivery': async (under) => {
    await using queue = disposable(await under.open())
    const consumer = await consume(queue)
    const waiting = take(consumer, 2)
    await queue.append(producer('a')(2))
    assert.deepEqual(texts(await waiting), ['a0', 'a1'])
    const last = consumer.next()
    await consumer.close()
    assert.deepEqual(await last, [])
    assert.deepEqual(await consumer.next(), [])
  },

  'one call of next gives at least one delivery, and then what its limit allows': async (under) => {
    await using queue = disposable(await under.open())
    const batch = producer('a')
    const sealed = Array.from({ length: 12 }, () => batch(1, 1000))
    const { length } = sealed[0]!.bytes
    for (const each of sealed) await queue.append(each)
    const consumer = await consume(queue, undefined, 3 * length)
    for (let seen = 0; seen < 12; ) {
      const deliveries = await consumer.next()
      assert.ok(deliveries.length >= 1 && deliveries.length <= 3, `${deliveries.length} deliveries`)
      seen += deliveries.length
    }
    await consumer.close()
    const small = await consume(queue, undefined, 10)
    assert.equal((await small.next()).length, 1)
  },

  'what was answered is there after a restart, with the versions it had': async (under) => {
    const queue = await under.open()
    const batch = producer('a')
    await queue.append(batch(3))
    const before = await take(await consume(queue), 3)
    await queue.close()
    await using again = disposable(await under.open())
    await again.append(batch(2))
    const after = await take(await consume(again), 5)
    assert.deepEqual(texts(after), named('a', 0, 5))
    assert.deepEqual(versions(after).slice(0, 3), versions(before))
  },

  'goes on after the stored position with what was not committed': async (under) => {
    const queue = await under.open()
    const batch = producer('a')
    const consumer = await consume(queue, { identity, position: 100 })
    for (const count of [4, 4, 4]) await queue.append(batch(count))
    const before = await take(consumer, 12)
    assertNoGap(before, 101)
    await consumer.commit(before[0]!.partition, 104)
    await assert.rejects(consumer.commit(before[0]!.partition, 113), RangeError)
    await queue.close()
    await using again = disposable(await under.open())
    const after = await take(await consume(again, { identity, position: 112 }), 8)
    assertNoGap(after, 113)
    assert.deepEqual(texts(after), named('a', 4, 12))
    assert.deepEqual(versions(after), versions(before).slice(4))
  },

  'a batch that is appended again has the same versions, or is given once': async (under) => {
    await using queue = disposable(await under.open())
    const batch = producer('a')
    const first = batch(3)
    await queue.append(copy(first))
    await queue.append(copy(first))
    await queue.append(batch(1))
    const seen = await take(await consume(queue), 4)
    while (seen.at(-1)!.text !== 'a3') seen.push(...(await take(await consume(queue), 1)))
    const byVersion = new Map(seen.map(({ version, text }) => [version, text]))
    assert.deepEqual([...byVersion.values()], named('a', 0, 4))
  },

  'a consumer takes over what the last one has not stored, and does not begin before that one has': async (
    under,
  ) => {
    await using queue = disposable(await under.open())
    await using other = disposable(await under.open())
    const batch = producer('a')
    let stored: StoredPosition | undefined
    const options = { consumer: 'store', after: async () => stored, nextBytesMax: bytesMax }
    const first = await queue.consume(options)
    const second = await other.consume(options)
    await queue.append(batch(4))
    const [seen] = [await take(first, 4)]
    const next = take(second, 2)
    await first.close()
    await queue.append(batch(2))
    stored = { identity, position: 4 }
    await first.commit(seen[0]!.partition, 4)
    const taken = await next
    assertNoGap(taken, 5)
    assert.deepEqual(texts(taken), ['a4', 'a5'])
  },

  'refuses with queueFull at its limit, keeps what it accepted, and recovers after a commit': async (
    under,
  ) => {
    await using queue = disposable(await under.open({ bytesMax: 100_000 }))
    const batch = producer('a')
    let accepted = 0
    const fill = async () => {
      for (; accepted < 10_000; accepted++) await queue.append(batch(1, 1000))
    }
    await assert.rejects(fill(), code('queueFull'))
    const consumer = await consume(queue)
    const seen = await take(consumer, accepted)
    assert.deepEqual(texts(seen), named('a', 0, accepted))
    await consumer.commit(seen[0]!.partition, accepted)
    await until(() => queue.append(batch(1, 1000)))
    assert.equal((await take(consumer, 1)).length, 1)
  },

  'refuses positions of another queue with identityMismatch': async (under) => {
    await using queue = disposable(await under.open())
    await assert.rejects(consume(queue, { identity: 'another', position: 2 }), code('identityMismatch'))
  },

  'says when appends fail, and goes on in the old order when the fault has passed': async (under) => {
    await using queue = disposable(await under.open())
    const batch = producer('a')
    const consumer = await consume(queue)
    await queue.append(batch(2))
    await under.fail()
    const repeated = batch(3)
    await assert.rejects(queue.append(copy(repeated)), code('queueUnavailable'))
    await under.recover()
    await until(() => queue.append(copy(repeated)))
    await queue.append(batch(1))
    const seen: Seen[] = []
    while (seen.at(-1)?.text !== 'a5') seen.push(...(await take(consumer, 1)))
    assert.deepEqual(
      [...new Map(seen.map(({ version, text }) => [version, text])).values()],
      named('a', 0, 6),
    )
  },

  'close answers what is in flight and refuses the rest with shuttingDown': async (under) => {
    const queue = await under.open()
    const batch = producer('a')
    const consumer = await consume(queue)
    const waiting = consumer.next()
    const inFlight = Array.from({ length: 10 }, () => queue.append(batch(1)))
    const closing = queue.close()
    await assert.rejects(queue.append(batch(1)), code('shuttingDown'))
    await assert.rejects(consume(queue), code('shuttingDown'))
    await Promise.all(inFlight)
    await closing
    assert.ok((await waiting).length >= 0)
    assert.deepEqual(await consumer.next(), [])
    await queue.close()
    await using again = disposable(await under.open())
    assert.deepEqual(texts(await take(await consume(again), 10)), named('a', 0, 10))
  },
}

function disposable(queue: Queue): Queue & AsyncDisposable {
  return Object.assign(queue, { [Symbol.asyncDispose]: () => queue.close() })
}

/** Repeats what is refused for a moment. */
async function until(attempt: () => Promise<unknown>): Promise<void> {
  for (let refusals = 0; ; refusals++) {
    try {
      await attempt()
      return
    } catch (error) {
      if (refusals > 100 || !isDroverError(error)) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

/**
 * What a driver must do whose engine keeps no positions (`startAtPosition: false`): they are given at delivery, and versions
 * take over what positions stand for elsewhere.
 */
export function deliveredQueueContract(driver: string, create: (t: TestContext) => QueueUnderTest): void {
  for (const [name, run] of Object.entries(cases))
    test(`${driver} queue: ${name}`, { timeout: 30_000 }, (t) => run(create(t)))
}
