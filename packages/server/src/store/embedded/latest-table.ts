import type { Connection, ResultColumn } from './duckdb.ts'
import type { PointTable } from './inventory.ts'
import type { LatestPoints } from './latest.ts'
import { type Kind, latestColumns } from './schema.ts'

export interface LatestRow {
  readonly series: number
  readonly timeMicros: number
  readonly value: number | string
  readonly quality: number
  readonly version: number
}

/** The latest points as of the last rotation, and those of the tables that were filled since. */
export async function loadLatest(
  connection: Connection,
  latest: LatestPoints,
  latestTable: number,
  tables: readonly PointTable[],
): Promise<void> {
  const selects = tables.filter((table) => table.rows > 0).map(latestOfTable)
  for (const select of [`SELECT ${latestColumns} FROM latest_${latestTable}`, ...selects])
    for (const point of await latestRows(connection, select))
      if (latest.known[point.series] === 1) putLatest(latest, point)
}

export function putLatest(latest: LatestPoints, point: LatestRow): void {
  latest.put(point.series, point.timeMicros, point.value, point.quality, point.version)
}

/** Of a relation with the columns of the table of latest points. */
export async function latestRows(connection: Connection, select: string): Promise<LatestRow[]> {
  const [ids, times, values, texts, qualities, versions] = (await connection.columns(
    `SELECT series, epoch_us(time)::DOUBLE, value, text, quality, version::DOUBLE FROM (${select})`,
  )) as [Int32Array, Float64Array, Float64Array, (string | null)[], Uint8Array, Float64Array] & ResultColumn[]
  return Array.from(ids, (series, at) => ({
    series,
    timeMicros: times[at]!,
    value: texts[at] ?? values[at]!,
    quality: qualities[at]!,
    version: versions[at]!,
  }))
}

export function latestOfTable({ name, kind, late }: PointTable): string {
  return latestSelect(name, kind, late)
}

/** The latest point of each series of a relation; `repeats`: it may hold several versions of a point. */
export function latestSelect(relation: string, kind: Kind, repeats: boolean): string {
  const newest = (column: string) =>
    repeats ? `first(${column} ORDER BY time DESC, version DESC)` : `arg_max(${column}, time)`
  const value = kind === 'numbers' ? newest('value') : 'NULL::DOUBLE'
  const text = kind === 'texts' ? newest('value') : 'NULL::VARCHAR'
  return `SELECT series, max(time) AS time, ${value} AS value, ${text} AS text, ${newest('quality')} AS quality,
    ${newest('version')} AS version FROM ${relation} GROUP BY series`
}
