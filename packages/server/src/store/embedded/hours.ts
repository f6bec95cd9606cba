import { rm, stat } from 'node:fs/promises'
import { type Connection, literal } from './duckdb.ts'

/**
 * Beside a segment of numbers that holds several points an hour stands a file that sums it up by series and hour, from
 * which charts over long times and whole fleets are answered.
 */
export const hourMicros = 3_600_000_000

/** Points of a segment for one row of its hours, at least; with fewer the file would not pay. */
const pointsPerHourMin = 8

export const noHours = { hours: 0, hoursBytes: 0 }

export function hoursFile(segmentFile: string): string {
  return segmentFile.replace(/\.parquet$/, '.hours.parquet')
}

/** Writes the hours of a segment's file next to it, if they pay. */
export async function writeHours(
  connection: Connection,
  path: string,
  rows: number,
): Promise<typeof noHours> {
  const target = hoursFile(path)
  const hours = await connection.run(
    `COPY (SELECT series, metric, make_timestamp((epoch_us(time) // ${hourMicros}) * ${hourMicros}) AS hour,
         count(*)::INTEGER AS points, sum(quality)::INTEGER AS suspects, min(value) AS low, max(value) AS high,
         sum(value) AS total, arg_min(value, time) AS first, min(time) AS first_time, arg_max(value, time) AS last,
         max(time) AS last_time
       FROM read_parquet(${literal(path)}) GROUP BY ALL ORDER BY metric, series, hour)
     TO ${literal(target)} (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2)`,
  )
  if (hours * pointsPerHourMin <= rows) return { hours, hoursBytes: (await stat(target)).size }
  await rm(target)
  return noHours
}
