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
  /** Points that a run has at least before it counts as one of the next class, eight times as large each. */
  readonly smallRunPoints: number
  /** Neighbouring runs of one class that are merged into one. */
  readonly runsPerMerge: number
  /** Points beyond which a run is not merged any more. */
  readonly runPointsMax: number
  /** Points that are rewritten at most for one late point among them. */
  readonly rewrittenPerLate: number
}

export const mergeLimits: MergeLimits = {
  smallRunPoints: 1_000_000,
  runsPerMerge: 6,
  runPointsMax: 400_000_000,
  rewrittenPerLate: 10,
}

/**
 * The next merge that is worth its work, or undefined. Late points go into the segments they overlap once they are a
 * fair part of them; runs of the same size class are merged when enough of them follow each other in time, so that a
 * point is rewritten once a class and small runs never pile up.
 */
export function planMerge(
  segments: readonly Segment[],
  arrivedBefore: number,
  limits: MergeLimits = mergeLimits,
): MergePlan | undefined {
  for (const kind of ['numbers', 'texts'] as const) {
    const runs = runsOf(
      segments.filter((segment) => segment.kind === kind),
      arrivedBefore,
    )
    const plan = planLate(runs, limits) ?? planNeighbours(runs, limits)
    if (plan) return { kind, ...plan }
  }
  return undefined
}

function runsOf(segments: readonly Segment[], arrivedBefore: number): Run[] {
  return [...Map.groupBy(segments, ({ run }) => run)]
    .map(([id, members]) => ({
      id,
      segments: members,
      rows: members.reduce((sum, segment) => sum + segment.rows, 0),
      timeMin: Math.min(...members.map((segment) => segment.timeMin)),
      late: members[0]!.late,
      settled: members.every((segment) => segment.arrivedMax < arrivedBefore),
    }))
    .sort((a, b) => a.timeMin - b.timeMin || a.id - b.id)
}

function planLate(runs: readonly Run[], limits: MergeLimits): Omit<MergePlan, 'kind'> | undefined {
  for (const settled of [true, false]) {
    const late = runs.filter((run) => run.late && run.settled === settled)
    if (late.length === 0) continue
    const lateSegments = late.flatMap((run) => run.segments)
    const touched = runs.filter((run) => !run.late && overlapsAny(run, lateSegments))
    const rewritten = sumRows(touched)
    const worthwhile = rewritten <= Math.max(limits.smallRunPoints, limits.rewrittenPerLate * sumRows(late))
    if (worthwhile && touched.every((run) => run.settled === settled))
      return { inputs: [...late, ...touched].flatMap((run) => run.segments), late: false }
  }
  return undefined
}

function overlapsAny(run: Run, segments: readonly Segment[]): boolean {
  return run.segments.some((segment) => segments.some((other) => overlaps(segment, other)))
}

/** The first sequence of neighbours of no larger class than a class that is long enough. */
function planNeighbours(runs: readonly Run[], limits: MergeLimits): Omit<MergePlan, 'kind'> | undefined {
  for (const late of [true, false])
    for (const settled of [true, false]) {
      const alike = runs.filter((run) => run.late === late && run.settled === settled)
      const classes = new Set(alike.map((run) => classOf(run, limits)))
      for (const size of [...classes].sort((a, b) => a - b)) {
        const sequence = longEnough(alike, size, limits)
        if (sequence) return { inputs: sequence.flatMap((run) => run.segments), late }
      }
    }
  return undefined
}

function longEnough(runs: readonly Run[], size: number, limits: MergeLimits): readonly Run[] | undefined {
  let sequence: Run[] = []
  for (const run of runs) {
    if (classOf(run, limits) > size || run.rows >= limits.runPointsMax) sequence = []
    else sequence.push(run)
    if (sequence.length === limits.runsPerMerge) return sequence
  }
  return undefined
}

function classOf({ rows }: Run, { smallRunPoints }: MergeLimits): number {
  return rows < smallRunPoints ? 0 : 1 + Math.floor(Math.log2(rows / smallRunPoints) / 3)
}

function sumRows(runs: readonly Run[]): number {
  return runs.reduce((sum, run) => sum + run.rows, 0)
}
