import assert from 'node:assert/strict'
import { test } from 'node:test'
import { duration, list, positiveInteger, time } from './arguments.ts'

const now = Date.UTC(2026, 10, 22, 12)

test('durations have units, seconds without one', () => {
  assert.deepEqual(
    ['90', '90s', '1.5h', '2d', '250ms', '0s'].map(duration),
    [90_000, 90_000, 5_400_000, 172_800_000, 250, 0],
  )
  for (const text of ['', 'h', '-1h', '1y']) assert.throws(() => duration(text))
})

test('times are RFC 3339, milliseconds since 1970, or how long ago', () => {
  assert.equal(time('24h', now), '2026-11-21T12:00:00.000Z')
  assert.equal(time('1386018900000', now), '2013-12-02T21:15:00.000Z')
  assert.equal(time('2026-11-22T12:00:00.000001Z', now), '2026-11-22T12:00:00.000001Z')
  assert.equal(time('2026-11-22T12:00:00+01:00', now), '2026-11-22T12:00:00+01:00')
  assert.throws(() => time('yesterday', now))
})

test('lists are split at commas', () => {
  assert.deepEqual(list('a, b,c'), ['a', 'b', 'c'])
  assert.deepEqual(list(''), [])
})

test('whole numbers start at 1', () => {
  assert.equal(positiveInteger('12'), 12)
  for (const text of ['0', '-1', '1.5', 'x', '']) assert.throws(() => positiveInteger(text))
})
