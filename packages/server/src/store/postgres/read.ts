import type {
  DownsampleQuery,
  LatestValue,
  PointsResult,
  RawQuery,
  Series,
  SeriesState,
  StoreReader,
  StoreStatus,
} from '../store.ts'
import { findBuckets } from './buckets.ts'
import type { Session } from './database.ts'
import { type Partitions, pointTables } from './partitions.ts'
import { findQuarantine, living, seriesColumns } from './records.ts'
import { earliest } from './schema.ts'
import type { StoreState } from './state.ts'

export function readerOf(state: StoreState): StoreReader {
  const { reading, schema, partitions } = state
  return {
    series: (deviceUids, metrics) => reading.use((session) => series(session, schema, deviceUids, metrics)),
    latest: (deviceUids) => reading.use((session) => seriesStates(session, schema, deviceUids)),
    points: (query) => reading.snapshot((session) => rawPoints(session, schema, query)),
    buckets: (query) => reading.snapshot((session) => findBuckets(session, schema, query)),
    downsample: (query) => reading.snapshot((session) => downsample(session, schema, query)),
    quarantine: (query) => reading.use((session) => findQuarantine(session, schema, query)),
    quarantineEntry: async (tenant, id) => {
      const found = await reading.use((session) =>
        findQuarantine(session, schema, { tenant, beforeId: id + 1, limit: 1 }),
      )
      return found.find((entry) => entry.id === id)
    },
    quarantineDropped: (deviceUids) =>
      reading.use(async (session) => {
        const all = deviceUids === 'all'
        const [row] = await session.rows<{ sum: string | null }>(
          `SELECT sum(dropped) AS sum FROM ${schema}.quarantine_dropped
           ${all ? '' : 'WHERE device_uid = ANY($1::bigint[])'}`,
          all ? [] : [deviceUids],
        )
        return Number(row?.sum ?? 0)
      }),
    extent: (seriesIds) => reading.snapshot((session) => extent(session, schema, seriesIds)),
    status: () => reading.use((session) => status(session, schema, partitions)),
  }
}

function series(
  session: Session,
  schema: string,
  deviceUids: readonly number[],
  metrics: readonly string[] | undefined,
): Promise<Series[]> {
  const named = metrics ? 'AND metric = ANY($2::text[])' : ''
  return session.rows<Series>(
    `SELECT ${seriesColumns} FROM ${schema}.series WHERE device_uid = ANY($1::bigint[]) ${named} ORDER BY id`,
    metrics ? [deviceUids, metrics] : [deviceUids],
  )
}

interface StateRow extends Series {
  readonly number_time: number | null
  readonly number: number
  readonly number_quality: LatestValue['quality']
  readonly text_time: number | null
  readonly text: Buffer
  readonly text_quality: LatestValue['quality']
}

/** The latest point is looked up in the index, from where the series says that it is. */
export async function seriesStates(
  session: Session,
  schema: string,
  deviceUids: readonly number[],
): Promise<SeriesState[]> {
  const last = (table: string, from: string) =>
    `LEFT JOIN LATERAL (SELECT time, value, quality FROM ${schema}.${table} WHERE series = s.id AND time >= s.${from}
       ORDER BY time DESC LIMIT 1) AS ${table} ON s.${from} IS NOT NULL`
  const rows = await session.rows<StateRow>(
    `SELECT ${seriesColumns}, points.time AS number_time, points.value AS number, points.quality AS number_quality,
       texts.time AS text_time, texts.value AS text, texts.quality AS text_quality
     FROM ${schema}.series AS s ${last('points', 'newest_number')} ${last('texts', 'newest_text')}
     WHERE device_uid = ANY($1::bigint[]) ORDER BY id`,
    [deviceUids],
  )
  return rows.map(({ id, tenant, deviceUid, metric, type, unit, ...found }) => ({
    ...{ id, tenant, deviceUid, metric, type, unit },
    latest: latestOf(found),
  }))
}

function latestOf(row: Omit<StateRow, keyof Series>): LatestValue | undefined {
  const { number_time, text_time } = row
  if (number_time !== null && number_time >= (text_time ?? -1))
    return { timeMicros: number_time, value: row.number, quality: row.number_quality }
  if (text_time === null) return undefined
  return { timeMicros: text_time, value: row.text.toString(), quality: row.text_quality }
}

async function rawPoints(session: Session, schema: string, query: RawQuery): Promise<PointsResult> {
  const { kind, goodOnly, descending, limit, fromMicros, toMicros } = query
  const ids = await living(session, schema, query.seriesIds)
  const rows = await session.arrays(
    `SELECT series, time, value, quality FROM ${schema}.${kind === 'numbers' ? 'points' : 'texts'}
     WHERE series = ANY($1::integer[]) AND time >= $2 AND time < $3 ${goodOnly ? 'AND quality = 0' : ''}
     ORDER BY series, time ${descending ? 'DESC' : ''} LIMIT $4`,
    [ids, Math.ceil(fromMicros), Math.ceil(toMicros), limit],
  )
  return pointsResult(rows, kind)
}

function pointsResult(rows: readonly unknown[][], kind: 'numbers' | 'texts'): PointsResult {
  return {
    series: Int32Array.from(rows, (row) => row[0] as number),
    timeMicros: Float64Array.from(rows, (row) => row[1] as number),
    value: kind === 'numbers' ? Float64Array.from(rows, (row) => row[2] as number) : new Float64Array(),
    text: kind === 'texts' ? rows.map((row) => (row[2] as Buffer).toString()) : [],
    quality: Uint8Array.from(rows, (row) => row[3] as number),
  }
}

/**
 * Each series is divided into equally long stretches of time; of each, the earliest of its smallest and of its largest
 * values is kept. A series that has no more points than asked for is given whole.
 */
async function downsample(session: Session, schema: string, query: DownsampleQuery): Promise<PointsResult> {
  const ids = await living(session, schema, query.seriesIds)
  const rows = await session.arrays(
    `WITH p AS MATERIALIZED (SELECT series, time AS t, value, quality FROM ${schema}.points
         WHERE series = ANY($1::integer[]) AND time >= $2 AND time < $3 ${query.goodOnly ? 'AND quality = 0' : ''}),
       r AS (SELECT series, min(t) AS low_t, max(t) - min(t) + 1 AS span, count(*) AS n FROM p GROUP BY series),
       k AS MATERIALIZED (SELECT p.*, floor((t - low_t)::float8 * $4::float8 / span) AS stretch, n
         FROM p JOIN r USING (series)),
       e AS (SELECT series, stretch, min(value) AS low, max(value) AS high FROM k WHERE n > $5::bigint
         GROUP BY series, stretch)
     SELECT series, t, value, quality FROM k WHERE n <= $5::bigint
     UNION ALL
     SELECT series, min(t), value, ${earliest(['t', 'quality'])}::smallint FROM k JOIN e USING (series, stretch)
       WHERE value = low OR value = high GROUP BY series, stretch, value
     ORDER BY 1, 2`,
    [
      ids,
      Math.ceil(query.fromMicros),
      Math.ceil(query.toMicros),
      Math.max(1, Math.floor(query.maxPoints / 2)),
      query.maxPoints,
    ],
  )
  return pointsResult(rows, 'numbers')
}

async function extent(
  session: Session,
  schema: string,
  seriesIds: readonly number[],
): Promise<{ fromMicros: number; toMicros: number } | undefined> {
  const ids = await living(session, schema, seriesIds)
  const end = (table: string, order: string) =>
    `(SELECT time FROM ${schema}.${table} WHERE series = id ORDER BY time ${order} LIMIT 1)`
  const [row] = await session.arrays(
    `SELECT min(least(${end('points', 'ASC')}, ${end('texts', 'ASC')})),
       max(greatest(${end('points', 'DESC')}, ${end('texts', 'DESC')})) FROM unnest($1::integer[]) AS id`,
    [ids],
  )
  const [fromMicros, toMicros] = row as [number | null, number | null]
  return fromMicros === null || toMicros === null ? undefined : { fromMicros, toMicros }
}

/** Past it, points are not counted but estimated from the server's statistics. */
const countedPointsMax = 100_000

async function status(session: Session, schema: string, partitions: Partitions): Promise<StoreStatus> {
  const { count, bytes, points } = await partitions.size(session)
  const [row] = await session.rows<{ series: number; quarantined: number }>(
    `SELECT (SELECT count(*) FROM ${schema}.series) AS series,
       (SELECT count(*) FROM ${schema}.quarantine) AS quarantined`,
  )
  return {
    ...row!,
    points: points > countedPointsMax ? points : await countPoints(session, schema),
    hotPoints: 0,
    latePoints: 0,
    segments: count,
    segmentBytes: bytes,
  }
}

async function countPoints(session: Session, schema: string): Promise<number> {
  const counts = pointTables.map((table) => `(SELECT count(*) FROM ${schema}.${table})`)
  const [row] = await session.arrays(`SELECT ${counts.join(' + ')}`)
  return row![0] as number
}
