import { literal } from './duckdb.ts'
import type { PointTable, Segment, Sources } from './inventory.ts'
import { compareKeys, compareTexts } from './ranges.ts'
import { type Kind, pointColumns } from './schema.ts'
import type { SeriesCatalog } from './series.ts'

/** Which points: of these series, in [fromMicros, toMicros). */
export interface Selection {
  readonly kind: Kind
  readonly seriesIds: readonly number[]
  readonly fromMicros: number
  readonly toMicros: number
}

/** Metrics that a query names; past it, it names the series only. */
const metricsNamedMax = 16

export interface Plan {
  readonly selection: Selection
  readonly metrics: readonly string[]
  readonly seriesMin: number
  readonly seriesMax: number
  /** All series of the metrics are selected. */
  readonly whole: boolean
}

/**
 * A relation (series, time, value, quality, version) of the selected points, each once in its highest version; undefined
 * when nothing can hold any. Only what late points may repeat is compared; the rest is unique as it is stored.
 */
export function pointsSql(
  inventory: Sources,
  segmentsFolder: string,
  catalog: SeriesCatalog,
  selection: Selection,
): string | undefined {
  const plan = planOf(catalog, selection)
  return plan && relationOf(plan, sourcesOf(inventory, plan), segmentsFolder, catalog)
}

/** The tables and segments that may hold selected points. */
export function sourcesOf(inventory: Sources, plan: Plan): Sources {
  return {
    tables: inventory.tables.filter((table) => tableHolds(table, plan)),
    segments: inventory.segments.filter((segment) => segmentHolds(segment, plan)),
  }
}

export function relationOf(
  plan: Plan,
  { tables, segments }: Sources,
  segmentsFolder: string,
  catalog: SeriesCatalog,
): string | undefined {
  const parts = (late: boolean) => [
    ...tables.filter((table) => table.late === late).map((table) => tableSql(table, plan)),
    ...segmentParts(
      segments.filter((segment) => segment.late === late),
      segmentsFolder,
      plan,
      catalog,
    ),
  ]
  return combined(parts(false), parts(true))
}

/** As `pointsSql`, from the whole of some tables and segments, for merging. */
export function combined(unique: readonly string[], late: readonly string[]): string | undefined {
  if (late.length === 0) return unique.length === 0 ? undefined : `(${unique.join(' UNION ALL ')})`
  const newest = `(SELECT series, time, arg_max(value, version) AS value, arg_max(quality, version) AS quality,
    max(version) AS version FROM (${late.join(' UNION ALL ')}) GROUP BY series, time)`
  if (unique.length === 0) return newest
  const column = (name: string) =>
    `CASE WHEN l.version > coalesce(u.version, -1) THEN l.${name} ELSE u.${name} END AS ${name}`
  return `(SELECT coalesce(u.series, l.series) AS series, coalesce(u.time, l.time) AS time, ${column('value')},
    ${column('quality')}, ${column('version')}
    FROM (${unique.join(' UNION ALL ')}) u FULL JOIN ${newest} l ON u.series = l.series AND u.time = l.time)`
}

export function timestamp(micros: number): string {
  return `make_timestamp(${Math.trunc(micros)})`
}

export function planOf(catalog: SeriesCatalog, selection: Selection): Plan | undefined {
  const { fromMicros, toMicros } = selection
  const ids = [...new Set(selection.seriesIds)].filter((id) => catalog.get(id) !== undefined)
  if (ids.length === 0 || !(fromMicros < toMicros)) return undefined
  const metrics = new Set(ids.map((id) => catalog.get(id)!.metric))
  let ofMetrics = 0
  for (const metric of metrics) ofMetrics += catalog.countOfMetric(metric)
  let [seriesMin, seriesMax] = [Number.POSITIVE_INFINITY, 0]
  for (const id of ids) {
    seriesMin = Math.min(seriesMin, id)
    seriesMax = Math.max(seriesMax, id)
  }
  return {
    selection: { ...selection, seriesIds: ids },
    metrics: [...metrics].sort(compareTexts),
    seriesMin,
    seriesMax,
    whole: ofMetrics === ids.length && metrics.size <= metricsNamedMax,
  }
}

function tableHolds(table: PointTable, { selection }: Plan): boolean {
  const { kind, fromMicros, toMicros, seriesIds } = selection
  if (table.kind !== kind || table.rows === 0) return false
  if (table.timeMax < fromMicros || table.timeMin >= toMicros) return false
  if (!table.late || seriesIds.length > table.series.size) return true
  return seriesIds.some((id) => {
    const times = table.series.get(id)
    return times !== undefined && times.max >= fromMicros && times.min < toMicros
  })
}

function segmentHolds(segment: Segment, { selection, metrics, seriesMin, seriesMax }: Plan): boolean {
  const { kind, fromMicros, toMicros, seriesIds } = selection
  if (segment.kind !== kind || segment.timeMax < Math.max(fromMicros, segment.cut)) return false
  if (segment.timeMin >= toMicros || segment.seriesMax < seriesMin || segment.seriesMin > seriesMax)
    return false
  const first = { metric: metrics[0]!, series: seriesMin }
  const last = { metric: metrics.at(-1)!, series: seriesMax }
  if (seriesIds.length === 1) return keyWithin(segment, first)
  return (
    compareTexts(segment.metricMax, first.metric) >= 0 && compareTexts(segment.metricMin, last.metric) <= 0
  )
}

function keyWithin(segment: Segment, key: { metric: string; series: number }): boolean {
  const { metricMin, metricMax, seriesFirst, seriesLast } = segment
  return (
    compareKeys({ metric: metricMin, series: seriesFirst }, key) <= 0 &&
    compareKeys({ metric: metricMax, series: seriesLast }, key) >= 0
  )
}

function tableSql(table: PointTable, plan: Plan): string {
  const series = plan.whole ? `series IN (${idsOfMetrics(plan.metrics)})` : seriesSql(plan)
  const { fromMicros } = plan.selection
  return `SELECT ${pointColumns} FROM ${table.name} WHERE ${[series, ...timeSql(table, plan, fromMicros)].join(' AND ')}`
}

function idsOfMetrics(metrics: readonly string[]): string {
  return `SELECT id FROM series WHERE metric IN (${metrics.map(literal).join()})`
}

/** One part for all files that are cut at the same time, and read with or without their quality. */
function segmentParts(
  segments: readonly Segment[],
  folder: string,
  plan: Plan,
  catalog: SeriesCatalog,
): string[] {
  const { fromMicros } = plan.selection
  const startOf = ({ cut, timeMin }: Segment) => (cut > timeMin && cut > fromMicros ? cut : fromMicros)
  const alike = Map.groupBy(segments, (segment) => `${startOf(segment)} ${segment.suspects > 0}`)
  return [...alike.values()].map((members) => {
    const [first] = members as [Segment]
    const bounds = {
      timeMin: Math.min(...members.map((segment) => segment.timeMin)),
      timeMax: Math.max(...members.map((segment) => segment.timeMax)),
    }
    const filters = [...seriesFilters(plan, catalog), ...timeSql(bounds, plan, startOf(first))]
    const quality = first.suspects > 0 ? 'quality' : '0::UTINYINT AS quality'
    return `SELECT series, time, value, ${quality}, version FROM ${filesSql(members, folder)}
      WHERE ${['true', ...filters].join(' AND ')}`
  })
}

/** The points of segments that meet the filters, without those that are cut. */
export function segmentsSql(
  segments: readonly Segment[],
  folder: string,
  filters: readonly string[],
): string[] {
  const byCut = Map.groupBy(segments, ({ cut, timeMin }) => (cut > timeMin ? cut : 0))
  return [...byCut].map(([cut, members]) => {
    const uncut = cut > 0 ? [`time >= ${timestamp(cut)}`] : []
    return `SELECT ${pointColumns} FROM ${filesSql(members, folder)} WHERE ${[...filters, ...uncut].join(' AND ')}`
  })
}

export function filesSql(segments: readonly Segment[], folder: string): string {
  return `read_parquet([${segments.map(({ file }) => literal(`${folder}/${file}`)).join()}])`
}

/** Of the rows in segments, which series are selected. */
export function seriesFilters(plan: Plan, catalog: SeriesCatalog): string[] {
  return [...metricSql(plan), ...aliveSql(plan, catalog)]
}

function metricSql({ metrics }: Plan): string[] {
  if (metrics.length > metricsNamedMax) return []
  return [
    metrics.length === 1 ? `metric = ${literal(metrics[0]!)}` : `metric IN (${metrics.map(literal).join()})`,
  ]
}

/** The selected series; of whole metrics, all but those that are deleted. */
function aliveSql(plan: Plan, catalog: SeriesCatalog): string[] {
  if (!plan.whole) return [seriesSql(plan)]
  const dead = [...catalog.tombstones].filter(([, metric]) => plan.metrics.includes(metric)).map(([id]) => id)
  return dead.length === 0 ? [] : [`series NOT IN (${dead.join()})`]
}

function seriesSql({ selection: { seriesIds }, seriesMin, seriesMax }: Plan): string {
  if (seriesIds.length === 1) return `series = ${seriesIds[0]}`
  if (seriesMax - seriesMin + 1 === seriesIds.length) return `series BETWEEN ${seriesMin} AND ${seriesMax}`
  return `series BETWEEN ${seriesMin} AND ${seriesMax} AND series IN (${seriesIds.join()})`
}

/** Only the bounds that leave something out. */
function timeSql(
  { timeMin, timeMax }: { timeMin: number; timeMax: number },
  { selection }: Plan,
  start: number,
): string[] {
  const bounds = []
  if (start > timeMin) bounds.push(`time >= ${timestamp(start)}`)
  if (selection.toMicros <= timeMax) bounds.push(`time < ${timestamp(selection.toMicros)}`)
  return bounds
}
