import type { types } from 'cassandra-driver'
import { concurrently } from './concurrently.ts'
import { daySeconds } from './points-write.ts'
import { groupOf, type Layout } from './schema.ts'
import type { Mutation, Session } from './session.ts'

const seriesAtATime = 8

interface AgedRow {
  readonly time: types.Long
  readonly arrived: number | null
  readonly version: types.Long
}

/**
 * Deletes points before a time that did not arrive within the last day. Points that were written with a retention end by
 * themselves; this is for those that were not, and looks at every series.
 */
export async function applyRetention(
  session: Session,
  layout: Layout,
  olderThanMicros: number,
  nowSeconds: number,
): Promise<void> {
  const lastBucket = Math.floor(olderThanMicros / layout.bucketMicros)
  const arrivedBefore = nowSeconds - daySeconds
  const query = 'SELECT series, bucket FROM point_buckets'
  for await (const rows of session.pages<{ series: number; bucket: number }>(query, []))
    await concurrently(
      rows.filter(({ bucket }) => bucket <= lastBucket),
      seriesAtATime,
      async ({ series, bucket }) => {
        let kept = 0
        for (const table of ['numbers', 'texts'])
          kept += await retain(session, { table, series, bucket, olderThanMicros, arrivedBefore })
        if (kept === 0 && bucket < lastBucket) await forgetBucket(session, series, bucket, nowSeconds)
      },
    )
}

/** Who wrote a point of it within the last hour has noted the bucket again, and that stays. */
async function forgetBucket(
  session: Session,
  series: number,
  bucket: number,
  nowSeconds: number,
): Promise<void> {
  const query =
    'DELETE FROM point_buckets USING TIMESTAMP ? WHERE series_group = ? AND series = ? AND bucket = ?'
  await session.mutate([[{ query, params: [(nowSeconds - 3_600) * 1e6, groupOf(series), series, bucket] }]])
}

interface Aging {
  readonly table: string
  readonly series: number
  readonly bucket: number
  readonly olderThanMicros: number
  /** s since 1970 */
  readonly arrivedBefore: number
}

/** Answers how many points stay. */
async function retain(session: Session, aging: Aging): Promise<number> {
  const { table, series, bucket, olderThanMicros, arrivedBefore } = aging
  const pages = session.pages<AgedRow>(
    `SELECT time, arrived, writetime(quality) AS version FROM ${table}
      WHERE series_group = ? AND bucket = ? AND series = ? AND time < ?`,
    [groupOf(series), bucket, series, olderThanMicros],
  )
  let kept = 0
  for await (const rows of pages) {
    const runs: AgedRow[][] = [[]]
    for (const row of rows)
      if (row.arrived === null || row.arrived < arrivedBefore) runs.at(-1)!.push(row)
      else {
        kept++
        runs.push([])
      }
    await session.mutate(runs.flatMap((run) => (run.length === 0 ? [] : deleteRun(aging, run))))
  }
  return kept
}

/** One range for rows that follow on each other, at the highest of their versions: what is newer stays. */
function deleteRun({ table, series, bucket }: Aging, rows: readonly AgedRow[]): Mutation[] {
  const version = rows.reduce((highest, row) => Math.max(highest, row.version.toNumber()), 0)
  const [first, last] = [rows[0]!.time.toNumber(), rows.at(-1)!.time.toNumber()]
  return [
    [
      {
        query: `DELETE FROM ${table} USING TIMESTAMP ?
          WHERE series_group = ? AND bucket = ? AND series = ? AND time >= ? AND time <= ?`,
        params: [version, groupOf(series), bucket, series, first, last],
      },
    ],
    [
      // At the same timestamp a deletion wins: the latest goes if it is the last of these, and stays if it is newer.
      {
        query: 'DELETE FROM latest USING TIMESTAMP ? WHERE series_group = ? AND series = ?',
        params: [last, groupOf(series), series],
      },
    ],
  ]
}
