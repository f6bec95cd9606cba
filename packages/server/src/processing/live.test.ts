import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { limits } from '@drover/protocol'
import { formatTimeMicros } from '../model/time.ts'
import { LivePublisher, type LiveUpdate } from './live.ts'
import { startMicros, TestBench } from './test-kit.ts'

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'the condition was not met in time')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('the live feed', () => {
  it('gets what is stored of watched devices, in the form of its events', async () => {
    await using bench = await TestBench.open({
      profile: { metrics: { a: { max: 10, ratePerSecondMax: 1 } } },
    })
    bench.publisher.watch(new Set([1]))
    const payload = { a: 5, note: 'x', list: [1] }
    await bench.send({ payload }, { payload: { a: 9 } }, { payload: { a: 11 } }, { payload, device: 2 })
    await until(() => bench.live.length > 0)
    const time = formatTimeMicros(startMicros)
    const later = formatTimeMicros(startMicros + 1)
    const points = [
      { metric: 'a', time: later, value: 9, quality: 'suspect' },
      { metric: 'note', time, value: 'x', quality: 'good' },
      { metric: 'list', time, value: [1], quality: 'good' },
    ]
    const about = { tenant: 1, deviceUid: 1 }
    assert.deepEqual(bench.live, [
      {
        events: [
          { ...about, event: { type: 'points', device: 'device-1', points } },
          {
            ...about,
            event: { type: 'quarantine', device: 'device-1', reason: 'outOfRange', metric: 'a', count: 1 },
          },
        ],
        gap: false,
      },
    ])
  })

  it('gets nothing that nobody watches, and all when all is watched', async () => {
    await using bench = await TestBench.open()
    await bench.send({ payload: { a: 1 } })
    bench.publisher.watch('all')
    await bench.send({ payload: { a: 2 } }, { payload: { a: 3 }, device: 2 })
    await until(() => bench.live.length > 0)
    const values = bench.live.flatMap(({ events }) =>
      events.map(({ event }) => 'points' in event && event.points[0]!.value),
    )
    assert.deepEqual(values, [2, 3])
  })

  it('that is slow gets the latest of each series when it is ready, and storing does not wait', async () => {
    await using bench = await TestBench.open()
    const updates: LiveUpdate[] = []
    let taken = Promise.withResolvers<void>()
    const slow = new LivePublisher({
      periodMs: 0,
      publish: (update) => {
        updates.push(update)
        return taken.promise
      },
    })
    slow.watch('all')
    bench.publishTo(slow)
    await bench.send({ payload: { a: 0 } })
    await until(() => updates.length === 1)
    for (let value = 1; value <= 20; value++)
      await bench.send({ payload: { a: value } }, { payload: 'garbage' })
    assert.equal(updates.length, 1)
    const first = taken
    taken = Promise.withResolvers()
    first.resolve()
    await until(() => updates.length === 2)
    const events = updates[1]!.events.map(({ event }) => event)
    assert.equal(events.length, 2)
    assert.ok(events[0]!.type === 'points' && events[0]!.points.length === 1)
    assert.equal(events[0]!.points[0]!.value, 20)
    assert.ok(events[1]!.type === 'quarantine' && events[1]!.count === 20)
    taken.resolve()
    slow.close()
  })

  it('is told of a gap when more happened than it may hold', async () => {
    await using bench = await TestBench.open()
    bench.publisher.watch('all')
    const perDevice = 1_000
    const payload = Object.fromEntries(Array.from({ length: perDevice }, (_, n) => [`m${n}`, n]))
    const devices = limits.liveEventsKept / perDevice + 1
    await bench.send(...Array.from({ length: devices }, (_, n) => ({ payload, device: n + 1 })))
    await until(() => bench.live.length > 0)
    assert.equal(bench.live[0]!.gap, true)
  })
})
