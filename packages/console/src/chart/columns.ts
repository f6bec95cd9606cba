import type { DrawnPoint, Series } from './series.ts'

/** What uPlot draws: times (ms), values, smallest, largest, and the values that are suspect. */
export type Columns = [number[], ...(number | null)[][]]

export function columnsOf({ points, width, boolean }: Series): Columns {
  const columns: Columns = [[], [], [], [], []]
  const breakMs = boolean
    ? Number.POSITIVE_INFINITY
    : Math.max((width?.ms ?? 0) * 1.5, medianStep(points) * gapFactor)
  let last: DrawnPoint | undefined
  for (const point of points) {
    if (last && point.time - last.time > breakMs) push(columns, gapAfter(last))
    push(columns, point)
    last = point
  }
  return columns
}

/** Where nothing came for so many usual steps, the line is broken. */
const gapFactor = 8

function push(columns: Columns, { time, value, min, max, suspect }: DrawnPoint): void {
  const row = [time, value, min, max, suspect > 0 ? value : null]
  for (const [index, column] of columns.entries()) (column as (number | null)[]).push(row[index]!)
}

function gapAfter({ time }: DrawnPoint): DrawnPoint {
  return { time: time + 1, start: time + 1, value: null, min: null, max: null, count: 0, suspect: 0 }
}

function medianStep(points: readonly DrawnPoint[]): number {
  if (points.length < 3) return Number.POSITIVE_INFINITY
  const steps = points.slice(1).map((point, index) => point.time - points[index]!.time)
  steps.sort((a, b) => a - b)
  return Math.max(1, steps[steps.length >> 1]!)
}

/** The point nearest to a time, for the reading under the cursor. */
export function nearest(points: readonly DrawnPoint[], time: number): DrawnPoint | undefined {
  let low = 0
  let high = points.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (points[middle]!.time < time) low = middle + 1
    else high = middle
  }
  const after = points[low]
  const before = points[low - 1]
  if (!before || !after) return after
  return time - before.time < after.time - time ? before : after
}
