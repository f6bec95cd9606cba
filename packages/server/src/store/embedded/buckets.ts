import { type AggregateFunction, DroverError } from '@drover/protocol'
import type { BucketsQuery, BucketsResult } from '../store.ts'
import { literal, type ResultColumn } from './duckdb.ts'
import type { Segment, Sources } from './inventory.ts'
import { type Plan, planOf, relationOf, seriesFilters, sourcesOf, timestamp } from './points-sql.ts'
import type { SeriesCatalog } from './series.ts'
import { sumsFile } from './sums.ts'

/** The SQL of a query for buckets: from points alone, or with the sums of segments where whole stretches are asked for. */
export function bucketsSql(
  inventory: Sources,
  folder: string,
  catalog: SeriesCatalog,
  query: BucketsQuery,
): string | undefined {
  const plan = planOf(catalog, { ...query, kind: 'numbers' })
  if (!plan) return undefined
  const sources = sourcesOf(inventory, plan)
  const summed = segmentsBySums(sources, plan, query)
  if (summed.length > 0) return mixedSql(plan, sources, summed, folder, catalog, query)
  const points = relationOf(plan, sources, folder, catalog)
  return points && pointBucketsSql(points, query)
}

/** Of values in the order of time; of all series folded into one, by series at the same time. */
const ofPoints: Record<AggregateFunction, (order: string) => string> = {
  avg: () => 'avg(value)',
  min: () => 'min(value)',
  max: () => 'max(value)',
  sum: () => 'sum(value)',
  count: () => 'count(*)',
  first: (order) => `arg_min(value, ${order})`,
  last: (order) => `arg_max(value, ${order})`,
}

function pointBucketsSql(points: string, query: BucketsQuery): string {
  const order = query.group === 'all' ? 'row(time, series)' : 'time'
  const filter = query.goodOnly ? 'FILTER (WHERE quality = 0)' : ''
  const columns = query.functions.map((name) => `${ofPoints[name](order)} ${filter}`)
  return groupedSql(points, query, 'time', ['count(*)', 'sum(quality)', ...columns])
}

function groupedSql(relation: string, query: BucketsQuery, time: string, columns: readonly string[]): string {
  const every = Math.trunc(query.everyMicros)
  const series = query.group === 'all' ? '0' : 'series'
  return `SELECT ${series}::INTEGER AS s, (b * ${every})::DOUBLE, ${columns.map((_, at) => `c${at}::DOUBLE`).join()}
    FROM (SELECT ${series} AS series, epoch_us(${time}) // ${every} AS b,
        ${columns.map((column, at) => `${column} AS c${at}`).join()}
      FROM ${relation} GROUP BY ALL) ORDER BY s, b LIMIT ${Number(query.limit) + 1}`
}

/**
 * Segments whose sums may stand for their points: of whole stretches, uncut, without a late point that could repeat one of
 * theirs, and without suspect points when only good ones are asked for.
 */
function segmentsBySums(sources: Sources, { selection }: Plan, query: BucketsQuery): Segment[] {
  const late = [...sources.tables, ...sources.segments].filter((source) => source.late)
  const touched = (segment: Segment) =>
    late.some(({ timeMin, timeMax }) => timeMin <= segment.timeMax && timeMax >= segment.timeMin)
  return sources.segments.filter((segment) => {
    if (segment.sums === 0 || query.everyMicros % segment.sumsMicros !== 0) return false
    const { from, to } = wholeStretches(selection, segment.sumsMicros)
    return (
      Math.max(from, segment.timeMin) < Math.min(to, segment.timeMax + 1) &&
      segment.cut <= segment.timeMin &&
      !(query.goodOnly && segment.suspects > 0) &&
      !touched(segment)
    )
  })
}

function wholeStretches({ fromMicros, toMicros }: { fromMicros: number; toMicros: number }, width: number) {
  return { from: Math.ceil(fromMicros / width) * width, to: Math.floor(toMicros / width) * width }
}

const ofSums: Record<AggregateFunction, (group: BucketsQuery['group']) => string> = {
  avg: () => 'sum(total) / sum(counted)',
  min: () => 'min(low)',
  max: () => 'max(high)',
  sum: () => 'sum(total)',
  count: () => 'coalesce(sum(counted), 0)',
  first: (group) => `arg_min(first, ${group === 'all' ? 'row(first_time, series)' : 'first_time'})`,
  last: (group) => `arg_max(last, ${group === 'all' ? 'row(last_time, series)' : 'last_time'})`,
}

/** Whole stretches from the sums of `summed`; what lies before and after them in it, and all else, from points. */
function mixedSql(
  plan: Plan,
  sources: Sources,
  summed: readonly Segment[],
  folder: string,
  catalog: SeriesCatalog,
  query: BucketsQuery,
): string {
  const rest = { ...sources, segments: sources.segments.filter((segment) => !summed.includes(segment)) }
  const points = [relationOf(plan, rest, folder, catalog)]
  const sums: string[] = []
  for (const [width, segments] of Map.groupBy(summed, ({ sumsMicros }) => sumsMicros)) {
    const { from, to } = wholeStretches(plan.selection, width)
    sums.push(sumsSql(segments, from, to))
    for (const edge of [{ toMicros: from }, { fromMicros: to }]) {
      const part = { ...plan, selection: { ...plan.selection, ...edge } }
      if (part.selection.fromMicros >= part.selection.toMicros) continue
      points.push(relationOf(part, sourcesOf({ tables: [], segments }, part), folder, catalog))
    }
  }
  const parts = [...points.flatMap((relation) => (relation ? pointAsSum(relation, query) : [])), ...sums]
  const columns = query.functions.map((name) => ofSums[name](query.group))
  return groupedSql(`(${parts.join(' UNION ALL ')})`, query, 'start', [
    'sum(points)',
    'sum(suspects)',
    ...columns,
  ])

  function sumsSql(segments: readonly Segment[], from: number, to: number): string {
    const files = segments.map(({ file }) => literal(`${folder}/${sumsFile(file)}`))
    const filters = [
      ...seriesFilters(plan, catalog),
      segments.some(({ timeMin }) => timeMin < from) ? `start >= ${timestamp(from)}` : [],
      segments.some(({ timeMax }) => timeMax >= to) ? `start < ${timestamp(to)}` : [],
    ].flat()
    return `SELECT series, start, points, suspects, points AS counted, low, high, total, first, first_time, last, last_time
      FROM read_parquet([${files.join()}]) WHERE ${['true', ...filters].join(' AND ')}`
  }
}

/** A point in the columns of sums; of a suspect one that is not asked for, only that it is there. */
function pointAsSum(relation: string, { goodOnly }: BucketsQuery): string {
  const value = goodOnly ? 'CASE WHEN quality = 0 THEN value END' : 'value'
  const counted = goodOnly ? '1 - quality' : '1'
  return `SELECT series, time AS start, 1 AS points, quality AS suspects, ${counted} AS counted, ${value} AS low,
    ${value} AS high, ${value} AS total, ${value} AS first, time AS first_time, ${value} AS last, time AS last_time
    FROM ${relation}`
}

export function bucketsResult(found: readonly ResultColumn[], query: BucketsQuery): BucketsResult {
  const { limit, functions } = query
  const [series, timeMicros, counts, suspect] = (found.length > 0 ? found : nothing) as [
    Int32Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  if (series.length > limit) throw new DroverError('queryTooLarge', { limit, unit: 'buckets' })
  const column = (index: number) => (found[4 + index] as Float64Array | undefined) ?? new Float64Array()
  return {
    series,
    timeMicros,
    columns: Object.fromEntries(functions.map((name, index) => [name, column(index)])),
    good: counts.map((count, at) => count - suspect[at]!),
    suspect,
  }
}

const nothing = [new Int32Array(), new Float64Array(), new Float64Array(), new Float64Array()]
