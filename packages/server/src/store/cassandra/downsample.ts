import type { DownsampleQuery, PointsResult } from '../store.ts'
import { concurrently } from './concurrently.ts'
import { bucketsOf, endsOf, pointColumns, readsAtATime, type StoredPoint, slicePages } from './points-read.ts'
import type { Layout } from './schema.ts'
import type { Ask } from './session.ts'

/** Of each of equally long stretches of time the earliest of its smallest and of its largest values; all, when they are few. */
export async function downsample(ask: Ask, layout: Layout, query: DownsampleQuery): Promise<PointsResult> {
  const buckets = [...(await bucketsOf(ask, layout, query.seriesIds, query))]
  const found: StoredPoint[][] = []
  await concurrently(buckets, readsAtATime, async ([series, of], index) => {
    found[index] = await ofSeries(ask, query, series, of)
  })
  return pointColumns(found.flat(), 'numbers')
}

async function ofSeries(
  ask: Ask,
  query: DownsampleQuery,
  series: number,
  buckets: readonly number[],
): Promise<StoredPoint[]> {
  const ends = await endsOf(ask, query, series, buckets)
  if (!ends) return []
  const from = ends[0].timeMicros
  const span = ends[1].timeMicros - from + 1
  const stretches = Math.max(1, Math.floor(query.maxPoints / 2))
  const all: StoredPoint[] = []
  const extremes = new Map<number, { low: StoredPoint; high: StoredPoint }>()
  for (const bucket of buckets)
    for await (const points of slicePages(ask, { kind: 'numbers', series, bucket }, query))
      for (const point of points) {
        if (all.length <= query.maxPoints) all.push(point)
        // What was written after the ends were looked up belongs to the last stretch.
        const stretch = Math.min(stretches - 1, Math.floor(((point.timeMicros - from) * stretches) / span))
        const extreme = extremes.get(stretch)
        if (!extreme) extremes.set(stretch, { low: point, high: point })
        else if ((point.value as number) < (extreme.low.value as number)) extreme.low = point
        else if ((point.value as number) > (extreme.high.value as number)) extreme.high = point
      }
  if (all.length <= query.maxPoints) return all
  return [...extremes.values()].flatMap(({ low, high }) => {
    if (low === high) return [low]
    return low.timeMicros < high.timeMicros ? [low, high] : [high, low]
  })
}
