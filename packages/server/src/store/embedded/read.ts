import type {
  BucketsQuery,
  BucketsResult,
  DownsampleQuery,
  PointsResult,
  RawQuery,
  SeriesState,
  StoreReader,
} from '../store.ts'
import { bucketsResult, bucketsSql } from './buckets.ts'
import type { ResultColumn } from './duckdb.ts'
import { duckdbError } from './errors.ts'
import type { Inventory } from './inventory.ts'
import { pointsSql, type Selection } from './points-sql.ts'
import { findQuarantine, findQuarantineEntry } from './quarantine.ts'
import { kinds } from './schema.ts'
import type { StoreState } from './state.ts'

export function readerOf(state: StoreState): StoreReader {
  const { catalog, changes, ledger, quarantine } = state
  return {
    series: async (deviceUids, metrics) =>
      catalog.ofDevices(deviceUids).filter(({ metric }) => metrics?.includes(metric) ?? true),
    latest: async (deviceUids) => seriesStates(state, deviceUids),
    points: (query) => rawPoints(state, query),
    buckets: (query) => buckets(state, query),
    downsample: (query) => downsample(state, query),
    quarantine: async (query) => findQuarantine(ledger.db, changes, query),
    quarantineEntry: async (tenant, id) => findQuarantineEntry(ledger.db, changes, tenant, id),
    quarantineDropped: async (deviceUids) => quarantine.droppedOf(deviceUids),
    extent: (seriesIds) => extent(state, seriesIds),
    status: async () => status(state),
  }
}

export function seriesStates({ catalog, latest }: StoreState, deviceUids: readonly number[]): SeriesState[] {
  return catalog.ofDevices(deviceUids).map((series) => ({ ...series, latest: latest.get(series.id) }))
}

/** Runs the SQL that `make` makes of an inventory, whose tables and files stay for as long as it runs. */
async function ask(
  state: StoreState,
  make: (inventory: Inventory) => string | undefined,
): Promise<ResultColumn[]> {
  return state.readers.run(async (connection) => {
    const { inventory, release } = state.inventories.pin()
    try {
      const sql = make(inventory)
      return sql === undefined ? [] : await connection.columns(sql)
    } catch (error) {
      throw await duckdbError(connection, error)
    } finally {
      release()
    }
  })
}

function askPoints(
  state: StoreState,
  selection: Selection,
  make: (points: string) => string,
): Promise<ResultColumn[]> {
  return ask(state, (inventory) => {
    const points = pointsSql(inventory, state.folders.segments, state.catalog, selection)
    return points && make(points)
  })
}

async function rawPoints(state: StoreState, query: RawQuery): Promise<PointsResult> {
  const { goodOnly, descending, limit, kind } = query
  const found = await askPoints(
    state,
    query,
    (points) =>
      `SELECT series, epoch_us(time)::DOUBLE, value, quality FROM ${points} ${goodOnly ? 'WHERE quality = 0' : ''}
       ORDER BY series, time ${descending ? 'DESC' : ''} LIMIT ${Number(limit)}`,
  )
  return pointsResult(found, kind)
}

function pointsResult(found: readonly ResultColumn[], kind: 'numbers' | 'texts'): PointsResult {
  const [series, timeMicros, values, quality] = found as [
    Int32Array,
    Float64Array,
    ResultColumn,
    Uint8Array,
  ] &
    ResultColumn[]
  return {
    series: series ?? new Int32Array(),
    timeMicros: timeMicros ?? new Float64Array(),
    value: kind === 'numbers' ? ((values as Float64Array) ?? new Float64Array()) : new Float64Array(),
    text: kind === 'texts' ? ((values as readonly string[]) ?? []) : [],
    quality: quality ?? new Uint8Array(),
  }
}

async function buckets(state: StoreState, query: BucketsQuery): Promise<BucketsResult> {
  const found = await ask(state, (inventory) =>
    bucketsSql(inventory, state.folders.segments, state.catalog, query),
  )
  return bucketsResult(found, query)
}

/**
 * Each series is divided into equally long stretches of time; of each, the earliest of its smallest and of its largest
 * values is kept. A series that has no more points than asked for is given whole.
 */
async function downsample(state: StoreState, query: DownsampleQuery): Promise<PointsResult> {
  const stretches = Math.max(1, Math.floor(query.maxPoints / 2))
  const found = await askPoints(
    state,
    { ...query, kind: 'numbers' },
    (points) =>
      `WITH p AS MATERIALIZED (SELECT series, epoch_us(time) AS t, value, quality FROM ${points}
           ${query.goodOnly ? 'WHERE quality = 0' : ''}),
         r AS (SELECT series, min(t) AS low_t, max(t) - min(t) + 1 AS span, count(*) AS n FROM p GROUP BY series),
         k AS (SELECT p.*, floor((t - low_t)::DOUBLE * ${stretches} / span) AS stretch, n FROM p JOIN r USING (series)),
         e AS (SELECT series, stretch, min(value) AS low, max(value) AS high FROM k WHERE n > ${Number(query.maxPoints)}
           GROUP BY series, stretch)
       SELECT series, t::DOUBLE, value, quality FROM k WHERE n <= ${Number(query.maxPoints)}
       UNION ALL
       SELECT series, min(t)::DOUBLE, value, arg_min(quality, t) FROM k JOIN e USING (series, stretch)
         WHERE value = low OR value = high GROUP BY series, stretch, value
       ORDER BY 1, 2`,
  )
  return pointsResult(found, 'numbers')
}

async function extent(
  state: StoreState,
  seriesIds: readonly number[],
): Promise<{ fromMicros: number; toMicros: number } | undefined> {
  const parts = (inventory: Inventory) =>
    kinds.flatMap((kind) => {
      const selection = { kind, seriesIds, fromMicros: 0, toMicros: Number.MAX_SAFE_INTEGER }
      const points = pointsSql(inventory, state.folders.segments, state.catalog, selection)
      return points ? [`SELECT time FROM ${points}`] : []
    })
  const [from, to] = (await ask(state, (inventory) => {
    const found = parts(inventory)
    return found.length === 0
      ? undefined
      : `SELECT epoch_us(min(time))::DOUBLE, epoch_us(max(time))::DOUBLE FROM (${found.join(' UNION ALL ')})`
  })) as Float64Array[]
  if (!from || Number.isNaN(from[0])) return undefined
  return { fromMicros: from[0]!, toMicros: to![0]! }
}

function status({ catalog, inventories, quarantine }: StoreState) {
  const { tables, segments } = inventories.current
  const rows = (late: boolean) =>
    tables.filter((table) => table.late === late).reduce((sum, table) => sum + table.rows, 0)
  const inSegments = segments.reduce((sum, segment) => sum + segment.rows, 0)
  return {
    series: catalog.count,
    points: rows(false) + rows(true) + inSegments,
    hotPoints: rows(false),
    latePoints: rows(true),
    segments: segments.length,
    segmentBytes: segments.reduce((sum, segment) => sum + segment.bytes + segment.sumsBytes, 0),
    quarantined: quarantine.total,
  }
}
