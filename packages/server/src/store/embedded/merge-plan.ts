import { overlaps, type Segment } from './inventory.ts'
import type { Kind } from './schema.ts'

/** What a merge reads, and whether its result may still repeat points of other segments. */
export interface MergePlan {
  readonly kind: Kind
  readonly inputs: readonly Segment[]
  readonly late: boolean
  /** The run that the result belongs to, if it is not a new one. */
  readonly run?: number
}

/** Segments that were written together and do not overlap in series. */
interface Run {
  readonly id: number
  readonly segments: readonly Segment[]
  readonly rows: number
  readonly timeMin: number
  readonly late: boolean
  /** All of it arrived before the last day. Retention must be able to tell such points from newer ones. */
  readonly settled: boolean
}

export interface MergeLimits {
  /** Points that are cheap enough to be rewritten for any small run that joins them. */
  readonly smallRunPoints: number
  /** Neighbouring runs that are merged into one. */
  readonly runsPerMerge: number
  /** Points beyond which a run is not merged any more. */
  readonly runPointsMax: number
  /** Points that are rewritten at most for one late point among them. */
  readonly rewrittenPerLate: number
}

export const mergeLimits: MergeLimits = {
  smallRunPoints: 1_000_000,
  runsPerMerge: 4,
  runPointsMax: 400_000_000,
  rewrittenPerLate: 10,
}

export interface MergeMoment {
  /** Points that arrived before it are merged with each other only, so that retention can tell them from newer ones. */
  readonly settledBefore: number
  /** Late points that arrived before it go into the segments they overlap, whatever it costs. */
  readonly lateBefore: number
}

/**
 * The next merge that is worth its work, or undefined. Late points go into the segments they overlap once they are a
 * fair part of them, or have waited long enough. Runs that follow each other in time are merged when the largest at least doubles by it, so that a
 * point is rewritten a few times at most, and what is left grows with the logarithm of all points.
 */
export function planMerge(
  segments: readonly Segment[],
  { settledBefore, lateBefore }: MergeMoment,
  limits: MergeLimits = mergeLimits,
): MergePlan | undefined {
  for (const kind of ['numbers', 'texts'] as const) {
    const runs = runsOf(
      segments.filter((segment) => segment.kind === kind),
      settledBefore,
    )
    const plan = planLate(runs, lateBefore, limits) ?? planNeighbours(runs, limits)
    if (plan) return { kind, ...plan }
  }
  return undefined
}

function runsOf(segments: readonly Segment[], settledBefore: number): Run[] {
  return [...Map.groupBy(segments, ({ run }) => run)]
    .map(([id, members]) => ({
      id,
      segments: members,
      rows: members.reduce((sum, segment) => sum + segment.rows, 0),
      timeMin: Math.min(...members.map((segment) => segment.timeMin)),
      late: members[0]!.late,
      settled: members.every((segment) => segment.arrivedMax < settledBefore),
    }))
    .sort((a, b) => a.timeMin - b.timeMin || a.id - b.id)
}

function planLate(
  runs: readonly Run[],
  lateBefore: number,
  limits: MergeLimits,
): Omit<MergePlan, 'kind'> | undefined {
  for (const settled of [true, false]) {
    const late = runs.filter((run) => run.late && run.settled === settled)
    if (late.length === 0) continue
    const lateSegments = late.flatMap((run) => run.segments)
    const touched = runs.filter((run) => !run.late && overlapsAny(run, lateSegments))
    const rewritten = sumRows(touched)
    const worthwhile = rewritten <= Math.max(limits.smallRunPoints, limits.rewrittenPerLate * sumRows(late))
    const waited = lateSegments.some((segment) => segment.arrivedMax < lateBefore)
    if ((worthwhile || waited) && touched.every((run) => run.settled === settled))
      return { inputs: [...late, ...touched].flatMap((run) => run.segments), late: false }
  }
  return undefined
}

function overlapsAny(run: Run, segments: readonly Segment[]): boolean {
  return run.segments.some((segment) => segments.some((other) => overlaps(segment, other)))
}

function planNeighbours(runs: readonly Run[], limits: MergeLimits): Omit<MergePlan, 'kind'> | undefined {
  for (const late of [true, false])
    for (const settled of [true, false]) {
      const alike = runs.filter((run) => run.late === late && run.settled === settled)
      const window = cheapest(alike, limits)
      if (window) return { inputs: window.flatMap((run) => run.segments), late }
    }
  return undefined
}

function cheapest(runs: readonly Run[], limits: MergeLimits): readonly Run[] | undefined {
  const { runsPerMerge, smallRunPoints, runPointsMax } = limits
  const windows = runs.map((_, at) => runs.slice(at, at + runsPerMerge))
  const worthwhile = windows.filter((window) => {
    const largest = Math.max(...window.map((run) => run.rows))
    const total = sumRows(window)
    const doubles = largest < runPointsMax && 2 * largest <= total
    return window.length === runsPerMerge && (doubles || total <= smallRunPoints)
  })
  return worthwhile.sort((a, b) => sumRows(a) - sumRows(b))[0]
}

function sumRows(runs: readonly Run[]): number {
  return runs.reduce((sum, run) => sum + run.rows, 0)
}
