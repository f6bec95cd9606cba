import { stat } from 'node:fs/promises'
import { dayMicros } from '../micros.ts'
import { type Connection, literal } from './duckdb.ts'

/**
 * Beside a segment of numbers may stand a file that sums it up by series and stretch of time, from which charts over long
 * times and whole fleets are answered.
 */
export interface Sums {
  /** Rows of the file; 0 without one. */
  readonly sums: number
  readonly sumsBytes: number
  /** µs of a stretch; stretches begin at multiples of it since 1970. */
  readonly sumsMicros: number
}

export const noSums: Sums = { sums: 0, sumsBytes: 0, sumsMicros: 0 }

const hourMicros = 3_600_000_000
/** The finest that pays is kept. */
const widths = [hourMicros, dayMicros]
/** Points of a segment for one row of its sums, at least; with fewer the file would not pay. */
const pointsPerSumMin = 8

export function sumsFile(segmentFile: string): string {
  return segmentFile.replace(/\.parquet$/, '.sums.parquet')
}

export interface Summed {
  readonly rows: number
  readonly seriesCount: number
  readonly timeMin: number
  readonly timeMax: number
}

/** Writes the sums of a segment's file next to it, if they pay. */
export async function writeSums(connection: Connection, path: string, summed: Summed): Promise<Sums> {
  const sumsMicros = widths.find((width) => sumsAtMost(summed, width) * pointsPerSumMin <= summed.rows)
  if (sumsMicros === undefined) return noSums
  const target = sumsFile(path)
  const sums = await connection.run(
    `COPY (SELECT series, metric, make_timestamp((epoch_us(time) // ${sumsMicros}) * ${sumsMicros}) AS start,
         count(*)::INTEGER AS points, sum(quality)::INTEGER AS suspects, min(value) AS low, max(value) AS high,
         sum(value) AS total, arg_min(value, time) AS first, min(time) AS first_time, arg_max(value, time) AS last,
         max(time) AS last_time
       FROM read_parquet(${literal(path)}) GROUP BY ALL ORDER BY metric, series, start)
     TO ${literal(target)} (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2)`,
  )
  return { sums, sumsBytes: (await stat(target)).size, sumsMicros }
}

function sumsAtMost({ seriesCount, timeMin, timeMax }: Summed, width: number): number {
  return seriesCount * (Math.floor(timeMax / width) - Math.floor(timeMin / width) + 1)
}
