import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isDroverError, type LiveEvent, limits } from '@drover/protocol'
import { type DeviceEvent, LiveFeed, type LiveFilter, type NumberedEvent } from './feed.ts'
import type { Interest } from './interests.ts'

function setUp(boot = 'boot') {
  const time = { nowMicros: 0 }
  const timers: (() => void)[] = []
  const clock = {
    nowMicros: () => time.nowMicros,
    every: (_: number, task: () => void) => {
      timers.push(task)
      return () => {}
    },
  }
  const interests: Interest[] = []
  const feed = new LiveFeed({ clock, boot, onInterest: (interest) => interests.push(interest) })
  const pass = (seconds: number) => {
    time.nowMicros += seconds * 1e6
    for (const task of timers) task()
  }
  return { feed, interests, pass }
}

function listen(feed: LiveFeed, filter: Partial<LiveFilter> = {}, cursor?: string) {
  const events: NumberedEvent[] = []
  const state = { ready: true, ended: false }
  const listener = {
    receive: (event: NumberedEvent) => {
      events.push(event)
      return state.ready
    },
    end: () => {
      state.ended = true
    },
  }
  const subscription = feed.subscribe({ tenant: 1, ...filter }, listener, cursor)
  return { events, state, ...subscription, types: () => events.map(({ event }) => event.type) }
}

const points = (deviceUid: number): DeviceEvent => ({
  tenant: 1,
  deviceUid,
  event: { type: 'points', device: `d${deviceUid}`, points: [] },
})
const devicesOf = (events: readonly NumberedEvent[]) =>
  events.map(({ event }) => (event as Extract<LiveEvent, { type: 'points' }>).device)

describe('the live feed', () => {
  it('gives each listener what it asked for', () => {
    const { feed } = setUp()
    const all = listen(feed)
    const one = listen(feed, { deviceUids: new Set([1]) })
    const quarantined = listen(feed, { types: new Set(['quarantine']) })
    const other = listen(feed, { tenant: 2 })
    feed.publish(points(1))
    feed.publish(points(2))
    assert.deepEqual(devicesOf(all.events), ['d1', 'd2'])
    assert.deepEqual(devicesOf(one.events), ['d1'])
    assert.deepEqual([quarantined.events, other.events], [[], []])
    one.stop()
    feed.publish(points(1))
    assert.equal(one.events.length, 1)
  })

  it('goes on behind a cursor', () => {
    const { feed } = setUp()
    const first = listen(feed)
    feed.publish(points(1))
    first.stop()
    feed.publish(points(2))
    feed.publish(points(3))
    const second = listen(feed, {}, first.events[0]!.cursor)
    assert.deepEqual(devicesOf(second.events), ['d2', 'd3'])
    feed.publish(points(4))
    assert.deepEqual(devicesOf(second.events), ['d2', 'd3', 'd4'])
  })

  it('tells of a gap when the cursor is of another run, nonsense, or too old', () => {
    const { feed } = setUp()
    const stayed = listen(feed)
    for (const cursor of ['other-1', 'nonsense', 'boot.0-99', ''])
      assert.deepEqual(listen(feed, {}, cursor).types(), ['gap'], cursor)
    for (let n = 0; n < limits.liveEventsKept + 1; n++) feed.publish(points(n + 1))
    assert.deepEqual(listen(feed, {}, 'boot.0-0').types(), ['gap'])
    assert.equal(listen(feed, {}, 'boot.0-2').events.length, limits.liveEventsKept - 1)
    assert.equal(stayed.events.length, limits.liveEventsKept + 1)
  })

  it('tells of a gap when nobody had listened to the device for a while', () => {
    const { feed, pass } = setUp()
    const first = listen(feed, { deviceUids: new Set([1]) })
    feed.publish(points(1))
    const { cursor } = first.events[0]!
    first.stop()
    pass(limits.liveResumeSeconds - 1)
    assert.deepEqual(listen(feed, { deviceUids: new Set([1, 2]) }, cursor).types(), ['gap'])
    const again = listen(feed, { deviceUids: new Set([1]) }, cursor)
    assert.deepEqual(again.types(), [])
    again.stop()
  })

  it('publishes nothing that nobody wants, and says whose events are wanted', () => {
    const { feed, interests, pass } = setUp()
    feed.publish(points(1))
    const one = listen(feed, { deviceUids: new Set([1]) }, 'boot.0-0')
    assert.deepEqual(one.types(), ['gap'])
    const all = listen(feed)
    all.stop()
    one.stop()
    pass(limits.liveResumeSeconds)
    assert.deepEqual(interests, [new Set([1]), 'all', new Set()])
    const back = listen(feed, { deviceUids: new Set([1]) }, 'boot.0-0')
    assert.deepEqual(back.types(), ['gap'])
  })

  it('gives a slow listener a gap instead of what it could not take', () => {
    const { feed } = setUp()
    const slow = listen(feed)
    slow.state.ready = false
    feed.publish(points(1))
    feed.publish(points(2))
    feed.publish(points(3))
    assert.deepEqual(devicesOf(slow.events), ['d1'])
    slow.state.ready = true
    slow.resume()
    assert.deepEqual(slow.types(), ['points', 'gap'])
    assert.equal(slow.events[1]!.cursor, 'boot.0-3')
    feed.publish(points(4))
    assert.deepEqual(slow.types(), ['points', 'gap', 'points'])
  })

  it('tells of events that were lost on their way', () => {
    const { feed } = setUp()
    const listener = listen(feed)
    feed.publish(points(1))
    feed.publishGap()
    assert.deepEqual(listener.types(), ['points', 'gap'])
    assert.deepEqual(listen(feed, {}, 'boot.0-0').types(), ['gap'])
  })

  it('has a limit of listeners, and ends them when it closes', () => {
    const { feed } = setUp()
    const listeners = Array.from({ length: limits.liveListenersMax }, () => listen(feed))
    assert.throws(
      () => listen(feed),
      (error) => isDroverError(error, 'tooManyConnections'),
    )
    feed.close()
    assert.ok(listeners.every(({ state }) => state.ended))
    assert.equal(feed.listeners, 0)
  })
})
