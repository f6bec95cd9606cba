import { dayMicros } from '../micros.ts'
import { literal, type ResultColumn } from './duckdb.ts'
import type { Failpoint } from './files.ts'
import type { Segment } from './inventory.ts'
import { type MergePlan, planMerge } from './merge-plan.ts'
import { combined, filesSql, segmentsSql } from './points-sql.ts'
import { listSegments, unlistSegments, writeSegment } from './segments.ts'
import { nowMicros, type StoreState } from './state.ts'

/** How long late points may wait for the segments they overlap to be rewritten. */
const lateWaitMicros = 3_600_000_000

/** Merges what is worth it most now; answers whether there was something. `all`: late points need not have waited. */
export async function mergeOnce(state: StoreState, all = false): Promise<boolean> {
  const now = nowMicros(state)
  const plan = planMerge(state.inventories.current.segments, {
    settledBefore: now - dayMicros,
    lateBefore: all ? Number.POSITIVE_INFINITY : now - lateWaitMicros,
  })
  if (plan) await merge(state, plan)
  return plan !== undefined
}

/**
 * The result is written in parts of a bounded size, one after the other in the order of (metric, series), and takes the
 * place of its sources in one transaction.
 */
export async function merge(state: StoreState, plan: MergePlan): Promise<void> {
  const { counters, inventories, computing, folders, ledger } = state
  const failpoint: Failpoint = (step) => state.options.failpoint(`merge: ${step}`)
  const { kind, late, inputs, run = counters.segment } = plan
  const arrivedMax = Math.max(...inputs.map((segment) => segment.arrivedMax))
  const outputs: Segment[] = []
  await failpoint('planned')
  for (const part of await partsOf(state, inputs)) {
    const origin = { id: counters.segment++, run, kind, late, arrivedMax, summed: !late }
    const relation = mergedSql(inputs, folders.segments, part)
    const segment = await writeSegment(computing, folders, relation, origin, failpoint)
    if (segment) outputs.push(segment)
  }
  await ledger.transaction(
    (db) => {
      unlistSegments(db, inputs)
      listSegments(db, outputs)
    },
    () => {
      const kept = inventories.current.segments.filter((segment) => !inputs.includes(segment))
      inventories.replace({ ...inventories.current, segments: [...kept, ...outputs] })
    },
  )
  await failpoint('listed')
}

function mergedSql(inputs: readonly Segment[], folder: string, part: string): string {
  const select = (segments: readonly Segment[]) => segmentsSql(segments, folder, [part])
  return combined(
    select(inputs.filter((segment) => !segment.late)),
    select(inputs.filter((segment) => segment.late)),
  )!
}

/** Conditions that divide the rows, in the order of their sorting, into parts of about `segmentPointsMax`. */
async function partsOf(
  { computing, folders, options }: StoreState,
  inputs: readonly Segment[],
): Promise<string[]> {
  const rows = inputs.reduce((sum, segment) => sum + segment.rows, 0)
  const count = Math.ceil(rows / options.segmentPointsMax)
  if (count <= 1) return ['true']
  const [metrics, series] = (await computing.columns(
    `SELECT metric, max(series)::INTEGER FROM (
       SELECT metric, series, sum(n) OVER (ORDER BY metric, series) AS upto FROM (
         SELECT metric, series, count(*) AS n FROM ${filesSql(inputs, folders.segments)} GROUP BY ALL))
     GROUP BY metric, upto * ${count} // ${rows + 1} ORDER BY 1, 2`,
  )) as [string[], Int32Array] & ResultColumn[]
  const bounds = metrics.map((metric, at) => ({ metric: literal(metric), series: series[at]! }))
  return bounds.map(({ metric, series }, at) => {
    const before = bounds[at - 1]
    const from = before?.metric === metric ? `AND series > ${before.series}` : ''
    return `metric = ${metric} ${from} AND series <= ${series}`
  })
}
