import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { limits, type QuarantineReason, type ValueType } from '@drover/protocol'
import { RateOfChange, suspectsUntilAccepted } from './rate.ts'
import { checkTime, timeWindow } from './time.ts'
import { storable, typeOfValue, unlimited, type ValueRule } from './value.ts'

const second = 1_000_000

function reasonOf(value: unknown, rule: ValueRule): QuarantineReason | undefined {
  const stored = storable(value, rule)
  return typeof stored === 'object' ? stored.reason : undefined
}

describe('a value', () => {
  it('is stored as a number, or as the text of its type', () => {
    const cases: [ValueType, unknown, number | string][] = [
      ['number', 21.5, 21.5],
      ['number', -0, -0],
      ['integer', -7, -7],
      ['boolean', false, 'false'],
      ['string', 'NE', 'NE'],
      ['string', '', ''],
      ['json', [1, { a: null }], '[1,{"a":null}]'],
      ['json', 5, '5'],
      ['location', { longitude: 13.4, latitude: 52.5 }, '{"latitude":52.5,"longitude":13.4}'],
    ]
    for (const [type, value, stored] of cases) assert.equal(storable(value, unlimited(type)), stored)
  })

  it('of another type than its metric is bad', () => {
    const cases: [ValueType, unknown][] = [
      ['number', '21.5'],
      ['number', true],
      ['number', null],
      ['integer', 21.5],
      ['integer', 2 ** 53],
      ['boolean', 1],
      ['boolean', 'true'],
      ['string', 5],
      ['json', null],
      ['location', { latitude: 1 }],
      ['location', { latitude: 1, longitude: 2, name: 'x' }],
      ['location', 'here'],
    ]
    for (const [type, value] of cases) assert.equal(reasonOf(value, unlimited(type)), 'typeMismatch')
  })

  it('is in range at both ends, and bad beyond them', () => {
    const rule: ValueRule = { type: 'number', min: -40, max: 85 }
    for (const value of [-40, 0, 85]) assert.equal(storable(value, rule), value)
    for (const value of [-273, -40.001, 85.001, 1e300]) assert.equal(reasonOf(value, rule), 'outOfRange')
    assert.equal(reasonOf(120, { ...rule, type: 'integer' }), 'outOfRange')
    assert.deepEqual(storable(-273, rule), {
      reason: 'outOfRange',
      message: '-273 is below the minimum of -40',
    })
  })

  it('must be finite, also inside of JSON', () => {
    for (const value of [Number.NaN, Infinity, -Infinity])
      for (const type of ['number', 'integer'] as const)
        assert.equal(reasonOf(value, { type, min: -40, max: 85 }), 'notFinite')
    assert.equal(reasonOf({ a: [1, Infinity] }, unlimited('json')), 'notFinite')
  })

  it('of text is bounded in bytes, not characters', () => {
    const fits = 'é'.repeat(limits.stringValueBytesMax / 2)
    assert.equal(storable(fits, unlimited('string')), fits)
    assert.equal(reasonOf(`${fits}x`, unlimited('string')), 'stringTooLong')
    assert.equal(reasonOf([fits], unlimited('json')), 'stringTooLong')
  })

  it('of text is well-formed when it is stored', () => {
    assert.equal(storable('a\ud800b', unlimited('string')), 'a\ufffdb')
  })

  it('of a location lies on the Earth', () => {
    assert.equal(reasonOf({ latitude: 91, longitude: 0 }, unlimited('location')), 'outOfRange')
  })

  it('gives a metric that no profile lists its type', () => {
    const types = [1, 1.5, true, 'x', [1], { a: 1 }, { latitude: 1, longitude: 2, elevation: 3 }, null]
    assert.deepEqual(types.map(typeOfValue), [
      'number',
      'number',
      'boolean',
      'string',
      'json',
      'json',
      'location',
      undefined,
    ])
  })
})

describe('the rate of change', () => {
  /** [seconds, value] → the qualities. */
  const judge = (rate: RateOfChange, values: readonly (readonly [number, number])[]) =>
    values.map(([seconds, value]) => rate.judge(value, seconds * second)).join('')

  it('is judged by the time between, and inclusive', () => {
    assert.equal(
      judge(new RateOfChange(2), [
        [0, 20],
        [1, 22],
        [2, 24.1],
        [12, 40],
      ]),
      '0010',
    )
  })

  it('of one spike marks only the spike', () => {
    assert.equal(
      judge(new RateOfChange(1), [
        [0, 20],
        [1, 90],
        [2, 20.5],
        [3, 21],
      ]),
      '0100',
    )
  })

  it('takes a changed level as new once it has lasted', () => {
    const steps = Array.from({ length: suspectsUntilAccepted + 3 }, (_, n) => [n + 1, 90 + n / 10] as const)
    const expected = `0${'1'.repeat(suspectsUntilAccepted)}000`
    assert.equal(judge(new RateOfChange(1), [[0, 20], ...steps]), expected)
  })

  it('never takes noise as a new level', () => {
    const noise = Array.from({ length: 20 }, (_, n) => [n + 1, n % 2 ? 500 : -500] as const)
    assert.equal(judge(new RateOfChange(1), [[0, 20], ...noise]), `0${'1'.repeat(20)}`)
  })

  it('compares what comes late too, and lets it change nothing', () => {
    const rate = new RateOfChange(1)
    assert.equal(
      judge(rate, [
        [100, 20],
        [90, 25],
        [99, 90],
        [98, 90],
        [97, 90],
        [96, 90],
        [101, 20.5],
      ]),
      '0011110',
    )
  })

  it('does not exist between two values of one time', () => {
    assert.equal(
      judge(new RateOfChange(1), [
        [0, 20],
        [0, 90],
        [1, 20.5],
      ]),
      '000',
    )
  })
})

describe('the time of a value', () => {
  const receivedAt = Date.UTC(2026, 10, 22) * 1000
  const window = timeWindow({ oldestTime: '2000-01-01T00:00:00Z', aheadSecondsMax: 300 })
  const oldest = Date.UTC(2000, 0, 1) * 1000

  it('is accepted from the oldest to so far ahead of the receipt, both included', () => {
    for (const time of [oldest, receivedAt, receivedAt + 300 * second])
      assert.equal(checkTime(time, receivedAt, window), undefined)
  })

  it('is refused outside, with what is probably wrong', () => {
    assert.equal(checkTime(oldest - 1, receivedAt, window)?.reason, 'timeTooOld')
    assert.equal(checkTime(receivedAt + 300 * second + 1, receivedAt, window)?.reason, 'timeInFuture')
    assert.match(checkTime(1_732_266_000_000, receivedAt, window)!.message, /in milliseconds/)
  })
})
