import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { SealedBatch } from '../queue/batch.ts'
import { createMemoryQueue, type MemoryQueue } from '../queue/memory.ts'
import type { Queue } from '../queue/queue.ts'
import { createMemoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import { startMicros, TestBench, type TestMessage, TestSender } from './test-kit.ts'

const devices = [1, 2, 3]
const startMs = startMicros / 1000

/** Few times, clients and packet ids, so that points and keys meet often. */
const message: fc.Arbitrary<TestMessage> = fc.oneof(
  fc.record({
    device: fc.constantFrom(...devices),
    payload: fc.oneof(
      fc.record({ a: fc.integer({ min: -20, max: 120 }) }),
      fc.record({
        ts: fc.integer({ min: startMs - 3, max: startMs }),
        values: fc.record({ a: fc.integer({ min: 0, max: 120 }), s: fc.string() }),
      }),
      fc.array(
        fc.record({
          ts: fc.integer({ min: startMs - 3, max: startMs }),
          values: fc.record({ b: fc.double() }),
        }),
        { maxLength: 4 },
      ),
      fc.constant('garbage'),
      fc.record({ [`m${'x'.repeat(3)}`]: fc.oneof(fc.boolean(), fc.integer()) }),
    ),
  }),
  fc.record({
    device: fc.constantFrom(...devices),
    payload: fc.record({ a: fc.integer({ min: 0, max: 100 }) }),
    key: fc.constantFrom('m:x:1', 'm:x:2', 'm:y:1', 'h:1', 'h:2'),
    resetSession: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
  }),
  fc.record({
    device: fc.constantFrom(...devices),
    payload: fc.constant(''),
    key: fc.constantFrom('m:x:1', 'm:x:2', 'm:y:1'),
    release: fc.constant(true),
  }),
)

const history = fc.array(fc.array(message, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 12 })
const profile = { metrics: { a: { min: 0, max: 100 } } }

function sealed(batches: readonly (readonly TestMessage[])[]): SealedBatch[] {
  const sender = new TestSender()
  return batches.map((batch) => sender.batch(batch))
}

async function queueOf(batches: readonly SealedBatch[]): Promise<MemoryQueue> {
  const queue = createMemoryQueue()
  // Retention keeps all for this one.
  await queue.consume({ consumer: 'witness', after: async () => undefined, nextBytesMax: 1 })
  for (const batch of batches) await queue.append({ ...batch, bytes: batch.bytes.slice() })
  return queue
}

async function contentsOf(bench: TestBench): Promise<unknown> {
  const keys = await bench.store.writer.loadKeys('all')
  return {
    points: await bench.contents(...devices),
    quarantine: (await bench.quarantine()).map(({ id, ...row }) => ({
      ...row,
      payload: Buffer.from(row.payload).toString(),
    })),
    keys: keys.toSorted((a, b) => a.deviceUid - b.deviceUid || a.receivedAtMicros - b.receivedAtMicros),
  }
}

/** What is stored when nothing goes wrong. */
async function expectedOf(batches: readonly SealedBatch[]): Promise<unknown> {
  await using bench = await TestBench.open({ profile, queue: await queueOf(batches) })
  await bench.stored()
  return contentsOf(bench)
}

type Crash = 'before' | 'after' | undefined

class Crashed extends Error {}

/** Of each write: whether the process dies before it, or between it and the commit of the queue. */
function crashing(store: Store, crashes: Crash[]): Store {
  const write: Store['writer']['write'] = async (batch) => {
    const crash = crashes.shift()
    if (crash === 'before') throw new Crashed()
    await store.writer.write(batch)
    if (crash === 'after') throw new Crashed()
  }
  return { ...store, writer: { ...store.writer, write } }
}

/** Delivers again from an older position than the consumer asks for. */
function rewound(queue: MemoryQueue, by: number): MemoryQueue {
  const consume: Queue['consume'] = (options) =>
    queue.consume({
      ...options,
      after: async (partition) => {
        const stored = await options.after(partition)
        return stored && { ...stored, position: Math.max(0, stored.position - by) }
      },
    })
  return { ...queue, consume }
}

describe('what was delivered', () => {
  it('is stored the same, wherever processing is killed and from wherever it is delivered again', async () => {
    const crashes = fc.array(fc.constantFrom<Crash>('before', 'after', undefined), { maxLength: 10 })
    await fc.assert(
      fc.asyncProperty(
        history,
        crashes,
        fc.integer({ min: 1, max: 2000 }),
        fc.nat(20),
        async (messages, plan, batchBytesMax, by) => {
          const batches = sealed(messages)
          const store = createMemoryStore()
          const failing = crashing(store, [...plan])
          let queue = await queueOf(batches)
          for (;;) {
            const bench = new TestBench({
              profile,
              store: failing,
              queue: rewound(queue, by),
              batchBytesMax,
              devicesMax: 2,
            })
            await bench.start()
            const crashed = await bench.stored().then(
              () => false,
              (error) => {
                assert.ok(error instanceof Crashed, String(error))
                return true
              },
            )
            // Of the processes that died the last may have stored everything.
            if (!crashed) {
              assert.deepEqual(await contentsOf(bench), await expectedOf(batches))
              await bench.stop()
              return
            }
            await bench.stop()
            queue = queue.reopen()
          }
        },
      ),
      { seed: 20261122, numRuns: 150 },
    )
  })
})
