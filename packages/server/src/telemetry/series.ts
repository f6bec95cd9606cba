import { type AggregateFunction, DroverError, type ValueType } from '@drover/protocol'
import type { BucketsResult, PointsResult, Series } from '../store/store.ts'

/**
 * The points of one series as a stretch of columns, so that a hundred thousand of them are not made into objects first:
 * rows `start` (included) to `end` (excluded).
 */
export type SeriesPoints = {
  readonly start: number
  readonly end: number
} & (
  | { readonly kind: 'raw'; readonly type: ValueType; readonly columns: PointsResult }
  | {
      readonly kind: 'buckets'
      readonly functions: readonly AggregateFunction[]
      readonly columns: BucketsResult
    }
)

/** The points of one metric of one device, or of all devices together (`device` is null). */
export interface SeriesAnswer {
  readonly device: string | null
  readonly metric: string
  readonly unit: string | null
  readonly points: SeriesPoints
}

export const noPoints: SeriesPoints = {
  kind: 'raw',
  type: 'number',
  start: 0,
  end: 0,
  columns: {
    series: new Int32Array(),
    timeMicros: new Float64Array(),
    value: new Float64Array(),
    text: [],
    quality: new Uint8Array(),
  },
}

export const defaultFunctions: readonly AggregateFunction[] = ['avg', 'min', 'max', 'count']

/** Whether the series' values are numbers; those of all other types are kept as text. */
export function isNumeric({ type }: Pick<Series, 'type'>): boolean {
  return type === 'number' || type === 'integer'
}

/** Throws `badRequest` for what cannot be aggregated. */
export function requireNumeric(series: readonly Series[]): void {
  const text = series.find((one) => !isNumeric(one))
  if (text === undefined) return
  throw new DroverError('badRequest', {
    reason: `${text.metric} is of type ${text.type}; every and fn are for numbers`,
  })
}
