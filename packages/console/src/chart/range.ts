const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

/** How far back each range reaches, in milliseconds; `all` begins at the first value. */
const spans = {
  hour,
  day,
  week: 7 * day,
  month: 30 * day,
  year: 365 * day,
  all: Number.POSITIVE_INFINITY,
} as const

export type RangeName = keyof typeof spans
export const rangeNames = Object.keys(spans) as RangeName[]

export function isRangeName(name: unknown): name is RangeName {
  return typeof name === 'string' && Object.hasOwn(spans, name)
}

/** What the chart shows: a range that moves on with the time, or a fixed part of it. Milliseconds since 1970. */
export type View =
  | { readonly kind: 'moving'; readonly range: RangeName }
  | { readonly kind: 'fixed'; readonly from: number; readonly to: number }

/** A closed interval in milliseconds since 1970. */
export interface TimeWindow {
  readonly from: number
  readonly to: number
}

export function spanOf(view: View): number {
  return view.kind === 'fixed' ? view.to - view.from : spans[view.range]
}

/** Widths that a person finds on a clock or a calendar, in milliseconds, with the server's words for them. */
const widths: readonly (readonly [ms: number, every: string])[] = [
  [1_000, '1s'],
  [2_000, '2s'],
  [5_000, '5s'],
  [10_000, '10s'],
  [15_000, '15s'],
  [30_000, '30s'],
  [minute, '1m'],
  [2 * minute, '2m'],
  [5 * minute, '5m'],
  [10 * minute, '10m'],
  [15 * minute, '15m'],
  [30 * minute, '30m'],
  [hour, '1h'],
  [2 * hour, '2h'],
  [3 * hour, '3h'],
  [6 * hour, '6h'],
  [12 * hour, '12h'],
  [day, '1d'],
  [2 * day, '2d'],
  [7 * day, '1w'],
  [14 * day, '2w'],
  [28 * day, '4w'],
]

export interface BucketWidth {
  readonly ms: number
  readonly every: string
}

/** The narrowest width that cuts the window into at most so many buckets. */
export function bucketWidth({ from, to }: TimeWindow, bucketsMax: number): BucketWidth {
  const span = to - from
  const found = widths.find(([ms]) => span / ms <= bucketsMax)
  if (found) return { ms: found[0], every: found[1] }
  const weeks = Math.ceil(span / (7 * day) / bucketsMax)
  return { ms: weeks * 7 * day, every: `${weeks}w` }
}

const narrowestMs = 1_000

/** The window grown or shrunk around its middle, and moved by a part of its span. */
export function adjusted(
  { from, to }: TimeWindow,
  { zoom = 1, move = 0 }: { zoom?: number; move?: number },
): TimeWindow {
  const span = to - from
  const middle = (from + to) / 2 + span * move
  const half = Math.max(narrowestMs, span * zoom) / 2
  return { from: Math.round(middle - half), to: Math.round(middle + half) }
}
