import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { checkDefinition } from './profile.ts'
import { formatTimeMicros, parseIntervalMicros, parseTimeMicros, timeFormatter } from './time.ts'

describe('times', () => {
  it('are read from RFC 3339 with any offset, to the microsecond', () => {
    const at = Date.UTC(2026, 10, 22, 17, 30) * 1000
    assert.equal(parseTimeMicros('2026-11-22T17:30:00Z'), at)
    assert.equal(parseTimeMicros('2026-11-23T01:30:00+08:00'), at)
    assert.equal(parseTimeMicros('2026-11-22 12:00:00.5-05:30'), at + 500_000)
    assert.equal(parseTimeMicros('2026-11-22t17:30:00.0000019z'), at + 1)
    assert.equal(parseTimeMicros('1925-01-01T00:00:00Z'), Date.UTC(1925, 0) * 1000)
  })

  it('are read from milliseconds since 1970, as a number or digits', () => {
    assert.equal(parseTimeMicros(1732266000000), 1732266000000_000)
    assert.equal(parseTimeMicros('1732266000000.25'), 1732266000000_250)
    assert.equal(parseTimeMicros('-1'), -1000)
  })

  it('are refused when no calendar has them, or they are none', () => {
    const wrong = ['', 'now', '2026-02-30T00:00:00Z', '2026-13-01T00:00:00Z', '2026-11-22T24:00:00Z']
    for (const text of [...wrong, '2026-11-22', '2026-11-22T17:30:00', '2026-11-22T17:30:00+24:00', '1e3'])
      assert.equal(parseTimeMicros(text), undefined, text)
    assert.equal(parseTimeMicros(Number.NaN), undefined)
    assert.equal(parseTimeMicros(1e300), undefined)
  })

  it('are written with microseconds only where they have them, and read back the same', () => {
    assert.equal(formatTimeMicros(1_500_000), '1970-01-01T00:00:01.500Z')
    assert.equal(formatTimeMicros(1_500_001), '1970-01-01T00:00:01.500001Z')
    for (const micros of [0, 1, 999, 1_732_266_000_123_456])
      assert.equal(parseTimeMicros(formatTimeMicros(micros)), micros)
  })

  it('are written the same one by one and many at a time', () => {
    const format = timeFormatter()
    const at = 1_732_266_000_123_456
    const steps = [
      0, 1, 999, 1_000, 999_999, 1_000_000, 59_999_999, 3_599_999_999, 86_399_999_999, 86_400_000_000,
    ]
    for (const step of steps)
      for (const micros of [step, at + step, at - step, step * 366])
        assert.equal(format(micros), formatTimeMicros(micros))
  })

  it('have intervals in the usual units', () => {
    const micros = ['500ms', '10s', '5m', '1h', '1d', '1w', '90'].map((text) =>
      parseIntervalMicros('every', text),
    )
    assert.deepEqual(micros, [5e5, 1e7, 3e8, 3.6e9, 8.64e10, 6.048e11, 9e7])
    for (const text of ['0', '0s', '-1s', '1y', '1.5h', '', '99999999999999999w'])
      assert.throws(
        () => parseIntervalMicros('every', text),
        (error) => isDroverError(error, 'badRequest'),
      )
  })
})

describe('a profile', () => {
  const base = { description: '', unknownMetrics: 'accept', oldestTime: 0, aheadSecondsMax: 300 } as const

  it('keeps its oldest time in one form', () => {
    const { oldestTime, intervalSeconds } = checkDefinition({ ...base, metrics: {}, oldestTime: 1e12 })
    assert.equal(oldestTime, '2001-09-09T01:46:40.000Z')
    assert.equal(intervalSeconds, null)
  })

  it('is refused when a range is upside down, or bounds what has no order', () => {
    assert.throws(
      () => checkDefinition({ ...base, metrics: { t: { type: 'number', min: 2, max: 1 } } }),
      /metrics\.t/,
    )
    assert.throws(
      () => checkDefinition({ ...base, metrics: { s: { type: 'string', min: 2 } } }),
      /metrics\.s/,
    )
  })
})
