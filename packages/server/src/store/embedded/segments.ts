import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { DroverError } from '@drover/protocol'
import { type Connection, literal, type ResultColumn } from './duckdb.ts'
import { type Failpoint, type Layout, publish } from './files.ts'
import { type Segment, segmentFiles } from './inventory.ts'
import { compareTexts } from './ranges.ts'
import type { Kind } from './schema.ts'
import { noSums, sumsFile, writeSums } from './sums.ts'

const columns: readonly [keyof Segment, string][] = [
  ['id', 'id'],
  ['run', 'run'],
  ['kind', 'kind'],
  ['late', 'late'],
  ['file', 'file'],
  ['rows', 'rows'],
  ['suspects', 'suspects'],
  ['bytes', 'bytes'],
  ['sums', 'sums'],
  ['sumsBytes', 'sums_bytes'],
  ['sumsMicros', 'sums_micros'],
  ['timeMin', 'time_min'],
  ['timeMax', 'time_max'],
  ['seriesMin', 'series_min'],
  ['seriesMax', 'series_max'],
  ['metricMin', 'metric_min'],
  ['metricMax', 'metric_max'],
  ['seriesFirst', 'series_first'],
  ['seriesLast', 'series_last'],
  ['versionMin', 'version_min'],
  ['versionMax', 'version_max'],
  ['arrivedMax', 'arrived_max'],
  ['cut', 'cut'],
]

export function loadSegments(db: DatabaseSync): Segment[] {
  const names = columns.map(([field, column]) => `${column} AS ${field}`)
  const rows = db.prepare(`SELECT ${names.join()} FROM segments ORDER BY id`).all()
  return rows.map((row) => ({ ...row, late: row.late === 1 }) as unknown as Segment)
}

/** Throws `corruptData` when a listed file is missing or has another length. */
export async function checkSegments(segments: readonly Segment[], folders: Layout): Promise<void> {
  for (const { file, bytes } of segments.flatMap(segmentFiles)) {
    const found = await stat(join(folders.segments, file)).catch(() => undefined)
    if (found?.size !== bytes)
      throw new DroverError('corruptData', {
        what: `The segment ${file}`,
        reason: found ? `it has ${found.size} bytes instead of ${bytes}` : 'the file is missing',
      })
  }
}

/** Within a transaction of the ledger. */
export function listSegments(db: DatabaseSync, segments: readonly Segment[]): void {
  const insert = db.prepare(
    `INSERT INTO segments (${columns.map(([, column]) => column).join()}) VALUES (${columns.map(() => '?').join()})`,
  )
  for (const segment of segments)
    insert.run(
      ...columns.map(([field]) => (field === 'late' ? Number(segment.late) : (segment[field] as number))),
    )
}

/** Within a transaction of the ledger. */
export function unlistSegments(db: DatabaseSync, segments: readonly Segment[]): void {
  const remove = db.prepare('DELETE FROM segments WHERE id = ?')
  for (const { id } of segments) remove.run(id)
}

export interface SegmentOrigin {
  readonly id: number
  readonly run: number
  readonly kind: Kind
  readonly late: boolean
  readonly arrivedMax: number
  /** Whether sums go with it, if they pay. */
  readonly summed: boolean
}

/**
 * Writes the rows of a relation (series, time, value, quality, version) as a segment file, whose bytes and name are
 * durable when it answers; points of deleted series are left out. Undefined when nothing is left. Not listed yet.
 */
export async function writeSegment(
  connection: Connection,
  folders: Layout,
  relation: string,
  origin: SegmentOrigin,
  failpoint: Failpoint,
): Promise<Segment | undefined> {
  const { id, kind, summed, ...rest } = origin
  const file = `${kind}-${String(id).padStart(8, '0')}.parquet`
  const path = join(folders.temporary, file)
  try {
    await writeSorted(connection, relation, path, `metric_${id}`)
    await failpoint('file written')
    const found = await segmentExtent(connection, path)
    if (!found) return undefined
    const { seriesCount, ...extent } = found
    const { size } = await stat(path)
    const sums = summed && kind === 'numbers' ? await writeSums(connection, path, found) : noSums
    if (sums.sums > 0) await publish(sumsFile(path), folders.segments, failpoint)
    await publish(path, folders.segments, failpoint)
    return { id, kind, ...rest, ...extent, ...sums, file, bytes: size, cut: 0 }
  } finally {
    await rm(path, { force: true })
    await rm(sumsFile(path), { force: true })
  }
}

/** The metric is compared by its number among all metrics: to compare texts took longer than all the rest. */
async function writeSorted(connection: Connection, relation: string, path: string, metricType: string) {
  await connection.run(
    `CREATE TYPE ${metricType} AS ENUM (SELECT DISTINCT metric FROM series ORDER BY metric)`,
  )
  try {
    await connection.run(
      `COPY (SELECT series, metric::VARCHAR AS metric, time, value, quality, version FROM (
           SELECT p.series, s.metric, p.time, p.value, p.quality, p.version FROM ${relation} p
           JOIN (SELECT id, TRY_CAST(metric AS ${metricType}) AS metric FROM series) s ON s.id = p.series
           ORDER BY s.metric, p.series, p.time))
         TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2)`,
    )
  } finally {
    await connection.run(`DROP TYPE ${metricType}`)
  }
}

async function segmentExtent(connection: Connection, path: string) {
  const found = (await connection.columns(
    `SELECT metric, count(*)::DOUBLE, sum(quality)::DOUBLE, epoch_us(min(time))::DOUBLE, epoch_us(max(time))::DOUBLE, min(series)::DOUBLE,
       max(series)::DOUBLE, min(version)::DOUBLE, max(version)::DOUBLE, approx_count_distinct(series)::DOUBLE
     FROM read_parquet(${literal(path)}) GROUP BY metric`,
  )) as ResultColumn[]
  const metrics = found[0] as readonly string[]
  if (metrics.length === 0) return undefined
  const [rows, suspects, timeMin, timeMax, seriesMin, seriesMax, versionMin, versionMax, seriesCounts] =
    found.slice(1) as Float64Array[]
  const order = metrics.map((_, at) => at).sort((a, b) => compareTexts(metrics[a]!, metrics[b]!))
  const [first, last] = [order[0]!, order.at(-1)!]
  return {
    rows: sumOf(rows!),
    seriesCount: sumOf(seriesCounts!),
    suspects: sumOf(suspects!),
    timeMin: Math.min(...timeMin!),
    timeMax: Math.max(...timeMax!),
    seriesMin: Math.min(...seriesMin!),
    seriesMax: Math.max(...seriesMax!),
    metricMin: metrics[first]!,
    metricMax: metrics[last]!,
    seriesFirst: seriesMin![first]!,
    seriesLast: seriesMax![last]!,
    versionMin: Math.min(...versionMin!),
    versionMax: Math.max(...versionMax!),
  }
}

function sumOf(column: Float64Array): number {
  return column.reduce((sum, value) => sum + value, 0)
}
