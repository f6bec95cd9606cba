import { spanOf, type View } from './range.ts'
import type { Series } from './series.ts'

/** The queries of a metric's charts; the view follows. */
export const seriesKey = (device: string, metric: string) => ['device', device, 'series', metric]

const freshMs = 1_000
const bucketsFreshMsMax = 30_000
/** Without live events a chart is asked for again at most this often. */
const pollMsMin = 5_000

/**
 * How long a drawn series is fresh enough while values come: a second when every value is drawn, and as long as a new
 * value can hardly be seen when buckets are. A fixed part of the past is fresh for good.
 */
export function freshForMs(view: View, series: Series | undefined): number {
  if (view.kind === 'fixed') return Number.POSITIVE_INFINITY
  if (series && !series.width && !series.boolean) return freshMs
  return Math.min(bucketsFreshMsMax, Math.max(freshMs, spanOf(view) / 3_600))
}

/** The interval at which a chart is asked for again, live or not. */
export function pollMs(view: View, series: Series | undefined): number | false {
  const ms = freshForMs(view, series)
  return Number.isFinite(ms) ? Math.max(pollMsMin, ms) : false
}

interface Drawn {
  readonly queryKey: readonly unknown[]
  readonly state: { readonly data: unknown; readonly dataUpdatedAt: number }
}

/** Whether a chart is to be asked for again now that a value came. */
export function isStale({ queryKey, state }: Drawn, now: number): boolean {
  const view = queryKey.at(-1)
  if (typeof view !== 'object') return true
  return now - state.dataUpdatedAt >= freshForMs(view as View, state.data as Series | undefined)
}
