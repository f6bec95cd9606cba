import type { types } from 'cassandra-driver'
import type { PointsResult, RawQuery, SeriesRange } from '../store.ts'
import { concurrently } from './concurrently.ts'
import { groupOf, type Layout } from './schema.ts'
import type { Ask } from './session.ts'

export type Kind = RawQuery['kind']

/** Partitions that one query reads at a time. */
export const readsAtATime = 16

interface PointRow {
  readonly time: types.Long
  readonly value: number | string
  readonly quality: number
}

/** The points of a series in one bucket. */
export interface Slice {
  readonly kind: Kind
  readonly series: number
  readonly bucket: number
}

export interface StoredPoint {
  readonly series: number
  readonly timeMicros: number
  readonly value: number | string
  readonly quality: number
}

/** The buckets, in their order, that hold or held points of the series within the range. */
export async function bucketsOf(
  ask: Ask,
  layout: Layout,
  seriesIds: readonly number[],
  { fromMicros, toMicros }: Pick<SeriesRange, 'fromMicros' | 'toMicros'>,
): Promise<Map<number, number[]>> {
  const ids = [...new Set(seriesIds)].sort((a, b) => a - b)
  const found = new Map(ids.map((id): [number, number[]] => [id, []]))
  if (toMicros <= fromMicros) return found
  const bounds = [fromMicros, toMicros - 1].map((time) => Math.floor(Math.max(0, time) / layout.bucketMicros))
  await concurrently([...Map.groupBy(ids, groupOf)], readsAtATime, async ([group, members]) => {
    const rows = await ask.rows<{ series: number; bucket: number }>(
      'SELECT series, bucket FROM point_buckets WHERE series_group = ? AND series IN ? AND bucket >= ? AND bucket <= ?',
      [group, members, ...bounds],
    )
    for (const { series, bucket } of rows) found.get(series)!.push(bucket)
  })
  return found
}

/** The points of a slice in the order of time, page by page. */
export async function* slicePages(
  ask: Ask,
  { kind, series, bucket }: Slice,
  { fromMicros, toMicros, goodOnly }: Pick<SeriesRange, 'fromMicros' | 'toMicros' | 'goodOnly'>,
  { descending = false, rowsMax }: { descending?: boolean | undefined; rowsMax?: number } = {},
): AsyncGenerator<StoredPoint[]> {
  const query = `SELECT time, value, quality FROM ${kind}
    WHERE series_group = ? AND bucket = ? AND series = ? AND time >= ? AND time < ?
    ${descending ? 'ORDER BY series DESC, time DESC' : ''}`
  const params = [groupOf(series), bucket, series, fromMicros, toMicros]
  for await (const rows of ask.pages<PointRow>(query, params, rowsMax)) {
    const points: StoredPoint[] = []
    for (const { time, value, quality } of rows)
      if (!goodOnly || quality === 0) points.push({ series, timeMicros: time.toNumber(), value, quality })
    yield points
  }
}

/** The points of several series in the order of (series, time), as many as were asked for. */
export async function findPoints(ask: Ask, layout: Layout, query: RawQuery): Promise<PointsResult> {
  const buckets = [...(await bucketsOf(ask, layout, query.seriesIds, query))].filter(
    ([, of]) => of.length > 0,
  )
  const found: StoredPoint[] = []
  for (let at = 0; at < buckets.length && found.length < query.limit; at += readsAtATime) {
    const some = buckets.slice(at, at + readsAtATime)
    const parts = await Promise.all(some.map(([series, of]) => ofSeries(ask, query, series, of)))
    for (const part of parts) for (const point of part) if (found.length < query.limit) found.push(point)
  }
  return pointColumns(found, query.kind)
}

async function ofSeries(
  ask: Ask,
  query: RawQuery,
  series: number,
  buckets: readonly number[],
): Promise<StoredPoint[]> {
  const { kind, limit, descending } = query
  const found: StoredPoint[] = []
  for (const bucket of descending ? buckets.toReversed() : buckets) {
    const options = { descending, rowsMax: limit - found.length }
    for await (const points of slicePages(ask, { kind, series, bucket }, query, options)) {
      for (const point of points) if (found.length < limit) found.push(point)
      if (found.length === limit) return found
    }
  }
  return found
}

export function pointColumns(points: readonly StoredPoint[], kind: Kind): PointsResult {
  return {
    series: Int32Array.from(points, ({ series }) => series),
    timeMicros: Float64Array.from(points, ({ timeMicros }) => timeMicros),
    value:
      kind === 'numbers' ? Float64Array.from(points, ({ value }) => value as number) : new Float64Array(),
    text: kind === 'texts' ? points.map(({ value }) => value as string) : [],
    quality: Uint8Array.from(points, ({ quality }) => quality),
  }
}

const always = { fromMicros: 0, toMicros: Number.MAX_SAFE_INTEGER, goodOnly: false }

/** The times of the first and the last point of all the series, of numbers or of texts. */
export async function findExtent(
  ask: Ask,
  layout: Layout,
  seriesIds: readonly number[],
): Promise<{ fromMicros: number; toMicros: number } | undefined> {
  const buckets = [...(await bucketsOf(ask, layout, seriesIds, always))]
  let [from, to] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  await concurrently(buckets, readsAtATime, async ([series, of]) => {
    for (const kind of ['numbers', 'texts'] as const) {
      const query = { ...always, kind, limit: 1, seriesIds: [series] }
      const [first] = await ofSeries(ask, query, series, of)
      if (!first) continue
      const [last] = await ofSeries(ask, { ...query, descending: true }, series, of)
      from = Math.min(from, first.timeMicros)
      to = Math.max(to, (last ?? first).timeMicros)
    }
  })
  return from === Number.POSITIVE_INFINITY ? undefined : { fromMicros: from, toMicros: to }
}

/** The first and the last point of a series within the range. */
export async function endsOf(
  ask: Ask,
  range: SeriesRange,
  series: number,
  buckets: readonly number[],
): Promise<readonly [first: StoredPoint, last: StoredPoint] | undefined> {
  const query = { ...range, kind: 'numbers' as const, limit: 1 }
  const [first] = await ofSeries(ask, query, series, buckets)
  const [last] = await ofSeries(ask, { ...query, descending: true }, series, buckets)
  return first && last && [first, last]
}
