import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DroverError, isDroverError } from '@drover/protocol'
import { createMemoryQueue } from '../queue/memory.ts'
import { createMemoryStore } from '../store/memory.ts'
import type { Store, StoreWriter } from '../store/store.ts'
import { consumerName } from './run.ts'
import { startMicros, TestBench } from './test-kit.ts'

/** The memory store, whose writer does what the test says before each of its calls. */
function storeThat(
  before: (method: keyof StoreWriter) => void | Promise<void>,
  store = createMemoryStore(),
): Store {
  const writer = Object.fromEntries(
    Object.entries(store.writer).map(([method, call]) => [
      method,
      async (...args: unknown[]) => {
        await before(method as keyof StoreWriter)
        return (call as (...args: unknown[]) => unknown)(...args)
      },
    ]),
  )
  const { onDurable } = store.writer
  return { ...store, writer: { ...(writer as unknown as StoreWriter), onDurable } }
}

const unavailable = () => new DroverError('storeUnavailable', { reason: 'a test' })

describe('values without a time', () => {
  it('have that of their receipt, so that none of a burst folds into another', async () => {
    await using bench = await TestBench.open()
    await bench.send({ payload: { a: 1 } }, { payload: { a: 1 } }, { payload: { a: 2 } })
    assert.deepEqual(await bench.contents(), {
      a: [
        [startMicros, 1, 0],
        [startMicros + 1, 1, 0],
        [startMicros + 2, 2, 0],
      ],
    })
  })
})

describe('values of one time', () => {
  const ts = startMicros / 1000

  it('in one message are one, the last good one', async () => {
    await using bench = await TestBench.open({
      profile: { metrics: { a: { max: 10 }, s: { type: 'string' } } },
    })
    const one = (a: number, s: string) => ({ ts, values: { a, s } })
    await bench.send({ payload: [one(1, 'x'), { ts: ts - 1, values: { a: 5 } }, one(2, 'y'), one(11, 'z')] })
    assert.deepEqual(await bench.contents(), {
      a: [
        [startMicros - 1000, 5, 0],
        [startMicros, 2, 0],
      ],
      s: [[startMicros, 'z', 0]],
    })
    assert.equal(bench.processing.metrics.points, 3)
  })

  it('in several messages are one, the last', async () => {
    await using bench = await TestBench.open()
    await bench.send({ payload: { ts, values: { a: 1 } } }, { payload: { ts, values: { a: 2 } } })
    await bench.send({ payload: { ts, values: { a: 3 } } })
    assert.deepEqual(await bench.contents(), { a: [[startMicros, 3, 0]] })
  })
})

describe('the rate of change', () => {
  const qualities = async (bench: TestBench) => (await bench.contents()).a!.map(([, , quality]) => quality)

  it('goes on from the last stored point after a restart', async () => {
    await using bench = await TestBench.open({ profile: { metrics: { a: { ratePerSecondMax: 1 } } } })
    await bench.send({ payload: { a: 20 } })
    await bench.stop()
    await bench.start()
    bench.sender.nowMicros += 1_000_000
    await bench.send({ payload: { a: 22 } }, { payload: { a: 20.5 } })
    assert.deepEqual(await qualities(bench), [0, 1, 0])
  })

  it('is each metric’s own, of each device', async () => {
    await using bench = await TestBench.open({ profile: { metrics: { a: { ratePerSecondMax: 1 }, b: {} } } })
    await bench.send(
      { payload: { a: 20, b: 0 } },
      { payload: { a: 500 }, device: 2 },
      { payload: { a: 500, b: 500 } },
    )
    const contents = await bench.contents(1, 2)
    assert.deepEqual(
      Object.entries(contents).map(([metric, points]) => [metric, points.map(([, , quality]) => quality)]),
      [
        ['1/a', [0, 1]],
        ['1/b', [0, 0]],
        ['2/a', [0]],
      ],
    )
  })
})

describe('a changed profile', () => {
  it('judges what comes after it, and the rate of change goes on', async () => {
    await using bench = await TestBench.open({ profile: { metrics: { a: { ratePerSecondMax: 1 } } } })
    await bench.send({ payload: { a: 20 } })
    bench.registry.change({ metrics: { a: { max: 50, ratePerSecondMax: 2 } } })
    await bench.processing.profileChanged(1, 'default')
    bench.sender.nowMicros += 1_000_000
    await bench.send({ payload: { a: 60 } }, { payload: { a: 21.9 } }, { payload: { a: 40 } })
    assert.deepEqual(
      (await bench.contents()).a!.map(([, value, quality]) => [value, quality]),
      [
        [20, 0],
        [21.9, 0],
        [40, 1],
      ],
    )
    assert.equal((await bench.quarantine())[0]!.reason, 'outOfRange')
  })

  it('that gives a metric another type than is stored refuses it, and says what to do', async () => {
    await using bench = await TestBench.open()
    await bench.send({ payload: { a: 'text', b: 1 } })
    bench.registry.change({ metrics: { a: { type: 'number' }, b: { type: 'integer' } } })
    await bench.processing.profileChanged(1, 'default')
    await bench.send({ payload: { a: 1, b: 2 } }, { payload: { b: 2.5 } })
    assert.deepEqual(
      (await bench.quarantine()).map(({ reason, metric }) => [reason, metric]),
      [
        ['typeMismatch', 'b'],
        ['typeMismatch', 'a'],
      ],
    )
    assert.equal((await bench.contents()).b!.length, 2)
  })

  it('that no longer accepts unknown metrics refuses them, known as they are', async () => {
    await using bench = await TestBench.open()
    await bench.send({ payload: { a: 1 } })
    bench.registry.change({ unknownMetrics: 'quarantine' })
    await bench.processing.devicesChanged([1])
    await bench.send({ payload: { a: 2 } })
    assert.equal((await bench.quarantine())[0]!.reason, 'metricUnknown')
  })
})

describe('a deleted device', () => {
  it('keeps nothing, and nothing of it is stored after', async () => {
    await using bench = await TestBench.open()
    await bench.send({ payload: { a: 1 } }, { payload: 'garbage' }, { payload: { a: 1 }, device: 2 })
    bench.registry.gone.add(1)
    await bench.processing.deleteDevice(1)
    await bench.send({ payload: { a: 2 } }, { payload: 'garbage' }, { payload: { a: 2 }, device: 2 })
    assert.deepEqual(await bench.contents(1, 2), {
      '2/a': [
        [startMicros + 2, 1, 0],
        [startMicros + 5, 2, 0],
      ],
    })
    assert.deepEqual(await bench.quarantine(), [])
  })
})

describe('devices', () => {
  it('are loaded many at once, and only once', async () => {
    await using bench = await TestBench.open()
    const all = [1, 2, 3].map((device) => ({ payload: { a: 1 }, device }))
    await bench.send(...all, ...all)
    await bench.send(...all)
    assert.deepEqual(bench.registry.loads, [[1, 2, 3]])
  })

  it('beyond the limit are forgotten and loaded again, those of one batch all together', async () => {
    await using bench = await TestBench.open({ devicesMax: 10 })
    const message = (device: number) => ({ payload: { a: 1 }, device })
    for (const first of [1, 11, 1, 11]) {
      await bench.send(...Array.from({ length: 10 }, (_, n) => message(first + n)))
      assert.ok(bench.processing.metrics.devices <= 10)
    }
    await bench.send(...Array.from({ length: 30 }, (_, n) => message(1 + n)))
    const contents = await bench.contents(...Array.from({ length: 30 }, (_, n) => n + 1))
    assert.deepEqual(
      Object.values(contents)
        .map((points) => points.length)
        .sort(),
      [...Array.from({ length: 10 }, () => 1), ...Array.from({ length: 20 }, () => 3)],
    )
  })
})

describe('processing', () => {
  it('goes on where the store is, and asks retention to follow', async () => {
    await using bench = await TestBench.open()
    await bench.send({ payload: { a: 1 } })
    await bench.stop()
    await bench.queue.append(bench.sender.batch([{ payload: { a: 2 } }]))
    await bench.start()
    await bench.stored()
    await bench.stop()
    assert.equal((await bench.contents()).a!.length, 2)
    assert.equal((await bench.queue.status()).committed[consumerName], 2)
  })

  it('waits for a store that is away, and loses nothing', async () => {
    let failures = 0
    const store = storeThat(() => {
      if (++failures % 3 !== 0) throw unavailable()
    })
    const bench = new TestBench({ store })
    await assert.rejects(bench.start(), (error) => isDroverError(error, 'storeUnavailable'))
    failures = 2
    await bench.start()
    for (let n = 0; n < 3; n++)
      await bench.queue.append(bench.sender.batch([{ payload: { a: n }, device: n + 1, key: `m:c:${n}` }]))
    await bench.queue.append(bench.sender.batch([{ payload: { b: 1 } }]))
    while (bench.processing.metrics.batches === 0 || bench.processing.metrics.messages < 4)
      await new Promise((resolve) => setTimeout(resolve, 5))
    const contents = await bench.contents(1, 2, 3)
    assert.deepEqual(Object.keys(contents).sort(), ['1/a', '1/b', '2/a', '3/a'])
    assert.ok(bench.processing.metrics.retries > 0)
    assert.equal(bench.processing.metrics.duplicates, 0)
    await bench.stop()
  })

  it('ends when another processor has moved the position, and writes nothing more', async () => {
    await using bench = await TestBench.open()
    await bench.send({ payload: { a: 1 } })
    const { queue, store } = bench
    const other = new TestBench({ queue, store })
    await other.start()
    await queue.append(bench.sender.batch([{ payload: { a: 2 } }]))
    const failed = await Promise.race([bench.processing.done, other.processing.done]).catch((error) => error)
    assert.ok(isDroverError(failed, 'positionConflict'))
    assert.equal((await bench.contents()).a!.length, 2)
    await other.stop()
  })

  it('refuses a store that belongs to another log', async () => {
    const store = createMemoryStore()
    {
      await using bench = await TestBench.open({ store })
      await bench.send({ payload: { a: 1 } })
    }
    const bench = new TestBench({ store, queue: createMemoryQueue() })
    await assert.rejects(bench.start(), {
      code: 'identityMismatch',
      message: /^The store holds positions of the log \w+, but the log is \w+: /,
    })
  })

  it('stops at a batch that is damaged, and says where it is', async () => {
    await using bench = await TestBench.open()
    const { bytes } = bench.sender.batch([{ payload: { a: 1 } }, { payload: { a: 2 } }])
    bytes.fill(0xff, bytes.length - 20)
    await bench.queue.append({ bytes, count: 2 })
    await assert.rejects(bench.processing.done, { code: 'corruptData', message: /batch at position 1: / })
    assert.deepEqual(await bench.contents(), {})
  })

  it('stores what it took before it closes', async () => {
    const gate = Promise.withResolvers<void>()
    const writing = Promise.withResolvers<void>()
    const store = storeThat(async (method) => {
      if (method !== 'write') return
      writing.resolve()
      await gate.promise
    })
    const bench = await TestBench.open({ store })
    await bench.queue.append(bench.sender.batch([{ payload: { a: 1 } }]))
    await writing.promise
    const closed = bench.stop()
    gate.resolve()
    await closed
    assert.equal((await bench.contents()).a!.length, 1)
  })

  it('measures', async () => {
    await using bench = await TestBench.open({ profile: { metrics: { a: { ratePerSecondMax: 1 } } } })
    await bench.send({ payload: { a: 1, s: 'x' } }, { payload: { a: 50 } }, { payload: '' })
    const { messages, points, suspect, batches, lastBatchMessages, positions, storedAfter, devices } =
      bench.processing.metrics
    assert.deepEqual(
      { messages, points, suspect, batches, lastBatchMessages, positions, devices },
      {
        messages: 3,
        points: 3,
        suspect: 1,
        batches: 1,
        lastBatchMessages: 3,
        positions: { 0: 3 },
        devices: 1,
      },
    )
    assert.equal(
      storedAfter.counts.reduce((sum, count) => sum + count),
      3,
    )
  })
})
