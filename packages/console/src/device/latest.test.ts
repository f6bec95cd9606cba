import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Latest, LiveEvent } from '@drover/protocol'
import { withPoints } from './latest.ts'
import { formatNumber, formatUnit, formatValue } from './values.ts'

const latest: Latest = {
  device: 'a',
  metrics: {
    t: { time: '2026-01-01T00:00:05Z', value: 20, quality: 'good', type: 'number', unit: 'Cel' },
  },
}

function pointsOf(device: string, metric: string, time: string, value: number): LiveEvent {
  return { type: 'points', device, points: [{ metric, time, value, quality: 'suspect' }] }
}

describe('the latest values', () => {
  it('take newer points, and keep type and unit', () => {
    const { metrics } = withPoints(latest, [pointsOf('a', 't', '2026-01-01T00:00:06Z', 21)])
    assert.deepEqual(metrics.t, {
      time: '2026-01-01T00:00:06Z',
      value: 21,
      quality: 'suspect',
      type: 'number',
      unit: 'Cel',
    })
  })

  it('stay as they are for late points and other devices', () => {
    const events = [
      pointsOf('a', 't', '2026-01-01T00:00:04Z', 1),
      pointsOf('b', 't', '2026-01-01T00:00:09Z', 2),
      { type: 'gap' } as const,
    ]
    assert.equal(withPoints(latest, events), latest)
  })

  it('show a metric that is new', () => {
    const { metrics } = withPoints(latest, [pointsOf('a', 'h', '2026-01-01T00:00:06Z', 55)])
    assert.equal(metrics.h?.type, 'number')
  })
})

describe('a value for people', () => {
  it('is short, and in signs that people know', () => {
    assert.equal(formatNumber(21.400000000000002), '21.4')
    assert.equal(formatNumber(0.0000123), '1.2300e-5')
    assert.equal(formatValue(true), 'true')
    assert.equal(formatValue({ a: 1 }), '{"a":1}')
    assert.equal(formatValue('x'.repeat(200)).length, 80)
    assert.equal(formatUnit('Cel'), '°C')
    assert.equal(formatUnit(null), '')
  })
})
