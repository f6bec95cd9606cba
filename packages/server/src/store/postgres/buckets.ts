import { type AggregateFunction, DroverError } from '@drover/protocol'
import type { BucketsQuery, BucketsResult } from '../store.ts'
import type { Session } from './database.ts'
import { living } from './records.ts'

/** Of values in the order of time; of all series folded into one, by series at the same time. */
const aggregates: Record<AggregateFunction, (filter: string, order: string) => string> = {
  avg: (filter) => `sum(total) ${filter} / sum(points) ${filter}`,
  min: (filter) => `min(low) ${filter}`,
  max: (filter) => `max(high) ${filter}`,
  sum: (filter) => `sum(total) ${filter}`,
  count: (filter) => `coalesce(sum(points) ${filter}, 0)`,
  first: (filter, order) => `(array_agg(first ORDER BY first_time${order}) ${filter})[1]`,
  last: (filter, order) => `(array_agg(last ORDER BY last_time DESC${order}) ${filter})[1]`,
}

export async function findBuckets(
  session: Session,
  schema: string,
  query: BucketsQuery,
): Promise<BucketsResult> {
  const { functions, group, limit } = query
  const ids = await living(session, schema, query.seriesIds)
  const filter = query.goodOnly ? 'FILTER (WHERE quality = 0)' : ''
  const columns = functions.map((name) => {
    const order = group === 'series' ? '' : name === 'last' ? ', series DESC' : ', series'
    return `, (${aggregates[name](filter, order)})::float8`
  })
  const rows = await session.arrays(
    `SELECT ${group === 'all' ? '0' : 'series'} AS s, start / $4::bigint * $4::bigint AS b,
       coalesce(sum(points) FILTER (WHERE quality = 0), 0)::float8,
       coalesce(sum(points) FILTER (WHERE quality <> 0), 0)::float8 ${columns.join('')}
     FROM (${pointsSql(schema)}) AS part GROUP BY s, b ORDER BY s, b LIMIT $5`,
    [
      ids,
      Math.ceil(query.fromMicros),
      Math.ceil(query.toMicros),
      Math.max(1, Math.trunc(query.everyMicros)),
      limit + 1,
    ],
  )
  if (rows.length > limit) throw new DroverError('queryTooLarge', { limit, unit: 'buckets' })
  return bucketsResult(rows, functions)
}

/** Points in the columns of sums. */
function pointsSql(schema: string): string {
  return `SELECT series, time AS start, quality, 1 AS points, value AS low, value AS high, value AS total,
      value AS first, time AS first_time, value AS last, time AS last_time
    FROM ${schema}.points WHERE series = ANY($1::integer[]) AND time >= $2 AND time < $3`
}

function bucketsResult(rows: readonly unknown[][], functions: readonly AggregateFunction[]): BucketsResult {
  const column = (at: number) => Float64Array.from(rows, (row) => (row[at] as number | null) ?? Number.NaN)
  return {
    series: Int32Array.from(rows, (row) => row[0] as number),
    timeMicros: column(1),
    columns: Object.fromEntries(functions.map((name, at) => [name, column(4 + at)])),
    good: column(2),
    suspect: column(3),
  }
}
