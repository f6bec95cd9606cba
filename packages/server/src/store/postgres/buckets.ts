import { type AggregateFunction, DroverError } from '@drover/protocol'
import type { BucketsQuery, BucketsResult } from '../store.ts'
import type { Session } from './database.ts'
import { living } from './records.ts'
import { earliest, latest, sumColumns, sumTables } from './schema.ts'

/** Of values in the order of time; of all series folded into one, by series at the same time. */
const aggregates: Record<AggregateFunction, (filter: string) => string> = {
  avg: (filter) => `sum(total) ${filter} / sum(points) ${filter}`,
  min: (filter) => `min(low) ${filter}`,
  max: (filter) => `max(high) ${filter}`,
  sum: (filter) => `sum(total) ${filter}`,
  count: (filter) => `coalesce(sum(points) ${filter}, 0)`,
  first: (filter) => earliest(['first_time', 'series', 'first'], filter),
  last: (filter) => latest(['last_time', 'series', 'last'], filter),
}

/** From the sums where whole hours or days are asked for, from points for the rest; to be asked of one moment. */
export async function findBuckets(
  session: Session,
  schema: string,
  query: BucketsQuery,
): Promise<BucketsResult> {
  const { functions, group, limit } = query
  const every = Math.max(1, Math.trunc(query.everyMicros))
  const ids = await living(session, schema, query.seriesIds)
  const parts = await sourcesSql(session, schema, query, every, ids)
  const filter = query.goodOnly ? 'FILTER (WHERE quality = 0)' : ''
  const columns = functions.map((name) => `, (${aggregates[name](filter)})::float8`)
  const rows = await session.arrays(
    `SELECT ${group === 'all' ? '0' : 'series'} AS s, start / ${every}::bigint * ${every}::bigint AS b,
       coalesce(sum(points) FILTER (WHERE quality = 0), 0)::float8,
       coalesce(sum(points) FILTER (WHERE quality <> 0), 0)::float8 ${columns.join('')}
     FROM (${parts.join(' UNION ALL ')}) AS part GROUP BY s, b ORDER BY s, b LIMIT $2`,
    [ids, limit + 1],
  )
  if (rows.length > limit) throw new DroverError('queryTooLarge', { limit, unit: 'buckets' })
  return bucketsResult(rows, functions)
}

interface Range {
  /** Included. */
  readonly from: number
  /** Excluded. */
  readonly to: number
}
type Stretch = Range & { readonly table: 'points' | 'hours' | 'days'; readonly width: number }

interface Marks {
  /** Starts of hours that are outdated for all series. */
  readonly whole: readonly number[]
  readonly single: readonly { readonly series: number; readonly start: number }[]
}

async function sourcesSql(
  session: Session,
  schema: string,
  query: BucketsQuery,
  every: number,
  ids: readonly number[],
): Promise<string[]> {
  const range = { from: Math.ceil(query.fromMicros), to: Math.ceil(query.toMicros) }
  let tables = sumTables.filter(({ width }) => every % width === 0)
  if (tables.length === 0) return [pointsSql(schema, range)]
  const [state] = await session.rows<{ done: number }>(`SELECT done FROM ${schema}.state`)
  const marks = await staleMarks(session, schema, range, ids)
  if (marks === undefined) tables = []
  return cover(range, state!.done, tables.toReversed()).flatMap((stretch) =>
    stretch.table === 'points' ? pointsSql(schema, stretch) : sumsSql(schema, stretch, marks!),
  )
}

/** Divides a range by where it is answered from: the coarsest table first, where whole stretches of it are done. */
function cover(
  range: Range,
  done: number,
  [coarsest, ...finer]: readonly Pick<Stretch, 'table' | 'width'>[],
): Stretch[] {
  const { from, to } = range
  if (from >= to) return []
  if (!coarsest) return [{ table: 'points', width: 1, from, to }]
  const { width } = coarsest
  const whole = {
    from: Math.ceil(from / width) * width,
    to: Math.floor(Math.min(to, done) / width) * width,
  }
  if (whole.from >= whole.to) return cover(range, done, finer)
  return [
    ...cover({ from, to: whole.from }, done, finer),
    { ...coarsest, ...whole },
    ...cover({ from: whole.to, to }, done, finer),
  ]
}

/** More of them, and points answer faster. */
const marksMax = 2000

async function staleMarks(
  session: Session,
  schema: string,
  { from, to }: Range,
  ids: readonly number[],
): Promise<Marks | undefined> {
  const marks = await session.rows<{ series: number; start: number }>(
    `SELECT series, start FROM ${schema}.stale WHERE start >= $1 - $4::bigint AND start < $2
       AND (series = 0 OR series = ANY($3::integer[])) LIMIT ${marksMax + 1}`,
    [from, to, ids, sumTables.at(-1)!.width],
  )
  if (marks.length > marksMax) return undefined
  return {
    whole: marks.filter(({ series }) => series === 0).map(({ start }) => start),
    single: marks.filter(({ series }) => series !== 0),
  }
}

const selected = 'series = ANY($1::integer[])'

/** Points in the columns of sums. */
const pointAsSum = `series, time AS start, quality, 1::bigint AS points, value AS low, value AS high, value AS total,
  value AS first, time AS first_time, value AS last, time AS last_time`

function pointsSql(schema: string, { from, to }: Range): string {
  return `SELECT ${pointAsSum} FROM ${schema}.points WHERE ${selected} AND time >= ${from} AND time < ${to}`
}

/** Sums, and points in place of those that are outdated. */
function sumsSql(schema: string, { table, width, from, to }: Stretch, marks: Marks): string[] {
  const within = (start: number) => start >= from && start < to
  const startOf = (start: number) => start - (start % width)
  const whole = [...new Set(marks.whole.map(startOf))].filter(within)
  const single = new Map(
    marks.single
      .map(({ series, start }) => ({ series, start: startOf(start) }))
      .filter(({ start }) => within(start) && !whole.includes(start))
      .map((mark) => [`${mark.series}/${mark.start}`, mark]),
  )
  const pairs = `unnest(${numbersSql([...single.values()].map((mark) => mark.series))},
    ${numbersSql([...single.values()].map((mark) => mark.start))}) AS mark (of, since)`
  const parts = [
    `SELECT series, start, quality, ${sumColumns} FROM ${schema}.${table}
     WHERE ${selected} AND start >= ${from} AND start < ${to}
       ${whole.length > 0 ? `AND start <> ALL(${numbersSql(whole)})` : ''}
       ${single.size > 0 ? `AND (series, start) NOT IN (SELECT of, since FROM ${pairs})` : ''}`,
  ]
  // A subquery that cannot be pulled up is asked once a mark, by the index.
  const points = (marked: string, which: string) =>
    `SELECT found.* FROM ${marked} CROSS JOIN LATERAL (SELECT ${pointAsSum} FROM ${schema}.points
       WHERE ${which} AND time >= since AND time < since + ${width} OFFSET 0) AS found`
  if (whole.length > 0) parts.push(points(`unnest(${numbersSql(whole)}) AS mark (since)`, selected))
  if (single.size > 0) parts.push(points(pairs, 'series = of'))
  return parts
}

const numbersSql = (numbers: readonly number[]) => `'{${numbers.join()}}'::bigint[]`

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
