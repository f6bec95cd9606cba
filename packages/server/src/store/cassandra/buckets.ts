import { type AggregateFunction, DroverError } from '@drover/protocol'
import type { BucketsQuery, BucketsResult } from '../store.ts'
import { concurrently } from './concurrently.ts'
import { bucketsOf, readsAtATime, type Slice, type StoredPoint, slicePages } from './points-read.ts'
import type { Layout } from './schema.ts'
import type { Ask } from './session.ts'

/** What is known of a stretch of time; `first` and `last` by time, of several series at one time by series. */
class Fold {
  readonly series: number
  readonly timeMicros: number
  good = 0
  suspect = 0
  count = 0
  sum = 0
  min = Number.POSITIVE_INFINITY
  max = Number.NEGATIVE_INFINITY
  first: StoredPoint | undefined
  last: StoredPoint | undefined

  constructor(series: number, timeMicros: number) {
    this.series = series
    this.timeMicros = timeMicros
  }

  add(point: StoredPoint, goodOnly: boolean): void {
    if (point.quality === 0) this.good++
    else this.suspect++
    if (goodOnly && point.quality !== 0) return
    const value = point.value as number
    this.count++
    this.sum += value
    if (value < this.min) this.min = value
    if (value > this.max) this.max = value
    if (!this.first || isBefore(point, this.first)) this.first = point
    if (!this.last || isBefore(this.last, point)) this.last = point
  }
}

const isBefore = (one: StoredPoint, other: StoredPoint) =>
  one.timeMicros < other.timeMicros || (one.timeMicros === other.timeMicros && one.series < other.series)

const results: Record<AggregateFunction, (fold: Fold) => number> = {
  avg: ({ sum, count }) => (count === 0 ? Number.NaN : sum / count),
  min: ({ min, count }) => (count === 0 ? Number.NaN : min),
  max: ({ max, count }) => (count === 0 ? Number.NaN : max),
  sum: ({ sum, count }) => (count === 0 ? Number.NaN : sum),
  count: ({ count }) => count,
  first: ({ first }) => (first?.value as number | undefined) ?? Number.NaN,
  last: ({ last }) => (last?.value as number | undefined) ?? Number.NaN,
}

/** Cassandra cannot group by a stretch of time: points are folded here, page by page, some partitions at a time. */
export async function findBuckets(ask: Ask, layout: Layout, query: BucketsQuery): Promise<BucketsResult> {
  const buckets = await bucketsOf(ask, layout, query.seriesIds, query)
  const slices = [...buckets].flatMap(([series, of]) =>
    of.map((bucket): Slice => ({ kind: 'numbers', series, bucket })),
  )
  const folds = new Folds(query)
  await concurrently(slices, readsAtATime, async (slice) => {
    for await (const points of slicePages(ask, slice, { ...query, goodOnly: false })) folds.add(points)
  })
  return folds.result()
}

class Folds {
  readonly #query: BucketsQuery
  /** By series, then by the number of the stretch. */
  readonly #bySeries = new Map<number, Map<number, Fold>>()
  #count = 0

  constructor(query: BucketsQuery) {
    this.#query = query
  }

  add(points: readonly StoredPoint[]): void {
    const { everyMicros, goodOnly, group } = this.#query
    for (const point of points) {
      const series = group === 'all' ? 0 : point.series
      this.#fold(series, Math.floor(point.timeMicros / everyMicros)).add(point, goodOnly)
    }
  }

  #fold(series: number, stretch: number): Fold {
    const folds = this.#bySeries.get(series) ?? new Map<number, Fold>()
    this.#bySeries.set(series, folds)
    const known = folds.get(stretch)
    if (known) return known
    const { limit, everyMicros } = this.#query
    if (++this.#count > limit) throw new DroverError('queryTooLarge', { limit, unit: 'buckets' })
    const fold = new Fold(series, stretch * everyMicros)
    folds.set(stretch, fold)
    return fold
  }

  result(): BucketsResult {
    const folds = [...this.#bySeries.values()]
      .flatMap((of) => [...of.values()])
      .sort((a, b) => a.series - b.series || a.timeMicros - b.timeMicros)
    const columns = this.#query.functions.map((name) => [name, Float64Array.from(folds, results[name])])
    return {
      series: Int32Array.from(folds, ({ series }) => series),
      timeMicros: Float64Array.from(folds, ({ timeMicros }) => timeMicros),
      columns: Object.fromEntries(columns),
      good: Float64Array.from(folds, ({ good }) => good),
      suspect: Float64Array.from(folds, ({ suspect }) => suspect),
    }
  }
}
