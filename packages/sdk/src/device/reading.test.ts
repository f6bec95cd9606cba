import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDroverError, limits } from '@drover/protocol'
import { createStamper, encodeReadings } from './reading.ts'

const stamp = () => 42
const decoded = (payload: Buffer) => JSON.parse(payload.toString())

test('one reading is an object, several are an array', () => {
  assert.deepEqual(decoded(encodeReadings([{ values: { t: 1 }, time: 5 }], stamp)), {
    ts: 5,
    values: { t: 1 },
  })
  assert.deepEqual(decoded(encodeReadings([{ values: { t: 1 } }, { values: { t: 2 }, time: 7 }], stamp)), [
    { ts: 42, values: { t: 1 } },
    { ts: 7, values: { t: 2 } },
  ])
})

test('takes times as milliseconds, Date and RFC 3339 text', () => {
  const milliseconds = Date.UTC(2026, 10, 22, 17, 30)
  for (const time of [milliseconds, new Date(milliseconds), '2026-11-22T18:30:00+01:00'])
    assert.equal(decoded(encodeReadings([{ values: { t: 1 }, time }], stamp)).ts, milliseconds)
})

test('refuses what is no time, and numbers that JSON would turn into null', () => {
  const badRequest = (error: unknown) => isDroverError(error, 'badRequest')
  assert.throws(() => encodeReadings([{ values: { t: 1 }, time: 'yesterday' }], stamp), badRequest)
  assert.throws(() => encodeReadings([{ values: { t: Number.NaN } }], stamp), badRequest)
  assert.throws(() => encodeReadings([{ values: { t: Number.POSITIVE_INFINITY } }], stamp), badRequest)
})

test('refuses a message over the limit', () => {
  assert.throws(
    () => encodeReadings([{ values: { text: 'x'.repeat(limits.messageBytesMax) } }], stamp),
    (error) => isDroverError(error, 'payloadTooLarge'),
  )
})

test('stamps within one millisecond, and after the clock went back, never repeat', () => {
  const times = [1000, 1000, 1000, 999, 1001]
  const next = createStamper(() => times.shift()!)
  assert.deepEqual([next(), next(), next(), next(), next()], [1000, 1000.001, 1000.002, 1000.003, 1001])
})
