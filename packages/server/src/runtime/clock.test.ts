import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mock, test } from 'node:test'
import { systemClock } from './clock.ts'

test('counts microseconds since 1970, close to the wall clock', () => {
  assert.ok(Math.abs(systemClock.nowMicros() / 1000 - Date.now()) < 10)
})

test('tells moments within a millisecond apart', () => {
  const moments = new Set(Array.from({ length: 5_000 }, () => systemClock.nowMicros()))
  assert.ok(moments.size > 10, `${moments.size} different moments`)
  assert.ok([...moments].every(Number.isSafeInteger))
})

test('follows the wall clock when it is set back and forth', () => {
  const real = Date.now
  for (const shiftMs of [3_600_000, -3_600_000]) {
    const shifted = mock.method(Date, 'now', () => real() + shiftMs)
    assert.ok(Math.abs(systemClock.nowMicros() / 1000 - (real() + shiftMs)) < 10)
    shifted.mock.restore()
  }
  assert.ok(Math.abs(systemClock.nowMicros() / 1000 - real()) < 10)
})

test('calls a task until it is stopped', async () => {
  const calls = new EventTarget()
  const stop = systemClock.every(1, () => calls.dispatchEvent(new Event('call')))
  // The timer itself does not keep the process alive.
  const alive = setTimeout(() => {}, 5_000)
  await once(calls, 'call')
  await once(calls, 'call')
  stop()
  clearTimeout(alive)
})
