import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { columnsOf, nearest } from './columns.ts'
import { adjusted, bucketWidth, isRangeName } from './range.ts'
import { freshForMs, isStale, pollMs } from './refresh.ts'
import { changes, type DrawnPoint, type Series } from './series.ts'
import { axisLabels } from './timeAxis.ts'

const day = 86_400_000

function pointAt(time: number, value = time, suspect = 0): DrawnPoint {
  return { time, start: time, value, min: value, max: value, count: 1, suspect }
}

function seriesOf(points: readonly DrawnPoint[]): Series {
  return { window: { from: 0, to: 1 }, unit: null, width: undefined, boolean: false, cut: false, points }
}

describe('the range of a chart', () => {
  it('cuts into buckets that a clock or calendar knows, never too many', () => {
    assert.equal(bucketWidth({ from: 0, to: 3_600_000 }, 600).every, '10s')
    assert.equal(bucketWidth({ from: 0, to: 30 * day }, 600).every, '2h')
    assert.equal(bucketWidth({ from: 0, to: 365 * day }, 600).every, '1d')
    const century = bucketWidth({ from: 0, to: 36_525 * day }, 600)
    assert.equal(century.every, '9w')
    assert.ok((36_525 * day) / century.ms <= 600)
  })

  it('grows, shrinks and moves around its middle', () => {
    const window = { from: 10_000, to: 20_000 }
    assert.deepEqual(adjusted(window, { zoom: 2 }), { from: 5_000, to: 25_000 })
    assert.deepEqual(adjusted(window, { move: 0.5 }), { from: 15_000, to: 25_000 })
    assert.deepEqual(adjusted(window, { zoom: 0.001 }), { from: 14_500, to: 15_500 })
  })

  it('has names', () => {
    assert.ok(isRangeName('week'))
    assert.ok(!isRangeName('toString'))
  })
})

describe('the columns of a chart', () => {
  it('break the line where nothing came for long', () => {
    const [times, values] = columnsOf(seriesOf([1, 2, 3, 4, 50, 51].map((time) => pointAt(time * 1_000))))
    assert.deepEqual(times.length, 7)
    assert.deepEqual(values!.indexOf(null), 4)
  })

  it('keep the changes of what is true or false', () => {
    const points = [0, 0, 0, 1, 1, 0].map((value, time) => pointAt(time, value))
    assert.deepEqual(
      changes(points).map(({ time }) => time),
      [0, 2, 3, 4, 5],
    )
  })

  it('mark what is suspect', () => {
    const columns = columnsOf(seriesOf([pointAt(1), pointAt(2, 99, 1)]))
    assert.deepEqual(columns[4], [null, 99])
  })

  it('find the point under the cursor', () => {
    const points = [10, 20, 40].map((time) => pointAt(time))
    assert.equal(nearest(points, 14)?.time, 10)
    assert.equal(nearest(points, 31)?.time, 40)
    assert.equal(nearest(points, 1_000)?.time, 40)
    assert.equal(nearest([], 1), undefined)
  })
})

describe('the labels of the time axis', () => {
  const at = (...parts: [number, number, number, number?, number?]) => new Date(...parts).getTime()

  it('say the day where it changes', () => {
    const labels = axisLabels(
      [at(2026, 0, 1, 18), at(2026, 0, 1, 21), at(2026, 0, 2, 0)],
      3 * 3_600_000,
      'en-GB',
    )
    assert.deepEqual(labels, ['18:00\n1 Jan', '21:00', '00:00\n2 Jan'])
  })

  it('say the year where it changes', () => {
    const labels = axisLabels([at(2025, 10, 1), at(2025, 11, 1), at(2026, 0, 1)], 30 * day, 'en-GB')
    assert.deepEqual(labels, ['Nov\n2025', 'Dec', 'Jan\n2026'])
  })
})

describe('the refreshing of a chart', () => {
  const hour = { kind: 'moving', range: 'hour' } as const
  const year = { kind: 'moving', range: 'year' } as const
  const past = { kind: 'fixed', from: 0, to: 1 } as const
  const raw = seriesOf([])
  const buckets = { ...raw, width: { ms: 60_000, every: '1m' } }

  it('follows values that are drawn one by one, and buckets more slowly', () => {
    assert.equal(freshForMs(year, raw), 1_000)
    assert.equal(freshForMs(hour, buckets), 1_000)
    assert.equal(freshForMs(year, buckets), 30_000)
    assert.equal(pollMs(hour, raw), 5_000)
  })

  it('leaves a part of the past as it is', () => {
    assert.equal(pollMs(past, raw), false)
    assert.ok(!isStale({ queryKey: ['series', past], state: { data: raw, dataUpdatedAt: 0 } }, 1e12))
  })

  it('is due once the drawn values are old enough', () => {
    const drawn = { queryKey: ['series', year], state: { data: buckets, dataUpdatedAt: 100_000 } }
    assert.ok(!isStale(drawn, 129_000))
    assert.ok(isStale(drawn, 130_000))
  })
})
