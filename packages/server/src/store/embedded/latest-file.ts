import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Connection, literal, type ResultColumn } from './duckdb.ts'
import { type Failpoint, type Layout, publish } from './files.ts'
import type { Inventory, PointTable } from './inventory.ts'
import type { LatestPoints } from './latest.ts'
import { type Kind, latestColumns } from './schema.ts'

export interface LatestRow {
  readonly series: number
  readonly timeMicros: number
  readonly value: number | string
  readonly quality: number
  readonly version: number
}

export function putLatest(latest: LatestPoints, point: LatestRow): void {
  if (latest.known[point.series] !== 1) return
  latest.put(point.series, point.timeMicros, point.value, point.quality, point.version)
}

/** Of a relation with the columns of the latest points. */
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

/** The points of the inventory's file of latest points; of all series, deleted ones too. */
export function latestOfFile({ latest }: Pick<Inventory, 'latest'>, { segments }: Layout): string[] {
  return latest ? [`SELECT ${latestColumns} FROM read_parquet(${literal(`${segments}/${latest}`)})`] : []
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

function latestFile(number: number): string {
  return `latest-${String(number).padStart(8, '0')}.parquet`
}

export function latestNumber(file: string): number {
  return Number(/\d+/.exec(file)![0])
}

/** Writes the latest of these points of each series that exists to a new file, durable but not listed; its name. */
export async function writeLatest(
  connection: Connection,
  folders: Layout,
  number: number,
  sources: readonly string[],
  failpoint: Failpoint,
): Promise<string> {
  const file = latestFile(number)
  const path = join(folders.temporary, file)
  try {
    await connection.run(
      `COPY (SELECT ${latestColumns} FROM (${sources.join(' UNION ALL ')}) WHERE series IN (SELECT id FROM series)
         QUALIFY row_number() OVER (PARTITION BY series ORDER BY time DESC, version DESC) = 1)
       TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd)`,
    )
    await publish(path, folders.segments, failpoint)
    return file
  } finally {
    await rm(path, { force: true })
  }
}
