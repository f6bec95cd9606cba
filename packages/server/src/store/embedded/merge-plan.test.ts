import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Segment } from './inventory.ts'
import { type MergeLimits, type MergeMoment, planMerge } from './merge-plan.ts'

const limits: MergeLimits = {
  smallRunPoints: 100,
  runsPerMerge: 3,
  runPointsMax: 100_000,
  rewrittenPerLate: 10,
}

function segment(id: number, rows: number, options: Partial<Segment> = {}): Segment {
  return {
    id,
    run: id,
    kind: 'numbers',
    late: false,
    file: `${id}`,
    rows,
    suspects: 0,
    bytes: rows,
    sums: 0,
    sumsBytes: 0,
    sumsMicros: 0,
    timeMin: id * 100,
    timeMax: id * 100 + 99,
    seriesMin: 1,
    seriesMax: 10,
    metricMin: 'm',
    metricMax: 'm',
    seriesFirst: 1,
    seriesLast: 10,
    versionMin: 1,
    versionMax: 1,
    arrivedMax: 1000,
    cut: 0,
    ...options,
  }
}
const fresh: MergeMoment = { settledBefore: 0, lateBefore: 0 }
const ids = (segments: readonly Segment[]) => planMerge(segments, fresh, limits)?.inputs.map(({ id }) => id)

test('runs wait until enough of them follow each other in time', () => {
  assert.equal(ids([segment(1, 10), segment(2, 10)]), undefined)
  assert.deepEqual(ids([segment(3, 10), segment(1, 10), segment(2, 10), segment(4, 10)]), [1, 2, 3])
})

test('a run is rewritten only when it at least doubles', () => {
  const large = segment(1, 5_000)
  assert.equal(ids([large, segment(2, 10), segment(3, 10)]), undefined)
  assert.deepEqual(ids([large, segment(2, 10), segment(3, 10), segment(4, 10)]), [2, 3, 4])
  assert.deepEqual(ids([segment(1, 200), segment(2, 110), segment(3, 300)]), [1, 2, 3])
})

test('every point is rewritten a few times at most, however many segments come', () => {
  const tight = { ...limits, smallRunPoints: 0 }
  let segments: Segment[] = []
  let rewritten = 0
  for (let id = 1; id <= 500; id++) {
    segments.push(segment(id, 10))
    for (let plan = planMerge(segments, fresh, tight); plan; plan = planMerge(segments, fresh, tight)) {
      const { inputs } = plan
      const rows = inputs.reduce((sum, one) => sum + one.rows, 0)
      rewritten += rows
      const merged = { ...segment(inputs[0]!.id, rows), timeMax: inputs.at(-1)!.timeMax }
      segments = [...segments.filter((one) => !inputs.includes(one)), merged]
    }
  }
  assert.ok(segments.length <= 12, `${segments.length} segments are left`)
  assert.ok(rewritten < 500 * 10 * 6, `${rewritten} points were rewritten`)
})

test('late points go into what they overlap, all of it at once, when that is worth it', () => {
  const base = [segment(1, 1_000), segment(2, 1_000), segment(3, 1_000)]
  const late = (rows: number) => segment(9, rows, { late: true, timeMin: 150, timeMax: 250 })
  const patient = { ...limits, runsPerMerge: 9 }
  assert.equal(planMerge([...base, late(20)], fresh, patient), undefined)
  const waited = planMerge([...base, late(20)], { ...fresh, lateBefore: 1001 }, patient)
  assert.equal(waited?.inputs.length, 3, 'those that have waited go in at any cost')
  const plan = planMerge([...base, late(300)], fresh, patient)
  assert.deepEqual(
    plan?.inputs.map(({ id }) => id),
    [9, 1, 2],
  )
  assert.equal(plan?.late, false)
  const apart = base.map((one) => ({ ...one, seriesMin: 20, seriesMax: 30 }))
  assert.equal(planMerge([...apart, late(1)], fresh, patient)?.inputs.length, 1)
})

test('what arrived within a day is not merged with what arrived before, for retention', () => {
  const arrived = (id: number, arrivedMax: number) => segment(id, 10, { arrivedMax })
  const mixed = [arrived(1, 10), arrived(2, 2000), arrived(3, 10)]
  assert.equal(planMerge(mixed, { ...fresh, settledBefore: 1000 }, limits), undefined)
  const plan = planMerge([...mixed, arrived(4, 20)], { ...fresh, settledBefore: 1000 }, limits)
  assert.deepEqual(
    plan?.inputs.map(({ id }) => id),
    [1, 3, 4],
  )
})

test('segments of one run are merged together, numbers and texts apart', () => {
  const run = [segment(1, 10), segment(2, 10, { run: 1 }), segment(3, 10), segment(4, 10)]
  assert.deepEqual(ids(run), [1, 2, 3, 4])
  assert.equal(ids([segment(1, 10), segment(2, 10), segment(3, 10, { kind: 'texts' })]), undefined)
})
