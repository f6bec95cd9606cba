import { DroverError, limits } from '@drover/protocol'
import { findBuckets } from './cassandra/buckets.ts'
import { deleteDevice } from './cassandra/devices.ts'
import { downsample } from './cassandra/downsample.ts'
import { findKeys, keyMutations } from './cassandra/keys.ts'
import { findExtent, findPoints } from './cassandra/points-read.ts'
import { daySeconds, numberRows, PointWriter, textRows } from './cassandra/points-write.ts'
import {
  countDropped,
  countQuarantine,
  findQuarantine,
  findQuarantineEntry,
  quarantineMutations,
} from './cassandra/quarantine.ts'
import { Readings } from './cassandra/reading.ts'
import { applyRetention } from './cassandra/retention.ts'
import { type Layout, openKeyspace } from './cassandra/schema.ts'
import { findLatest, findSeries, SeriesIds } from './cassandra/series.ts'
import type { Ask, Session } from './cassandra/session.ts'
import { parseCassandraUrl } from './cassandra/url.ts'
import { DurableListeners } from './position.ts'
import type { Store, StoreBatch, StoreReader, StoreStatus, StoreWriter } from './store.ts'

export interface CassandraStoreOptions {
  /** cassandra://[user:password@]host:port,…/keyspace?datacenter=… */
  readonly url: string
  /** Days that points are kept, by their time; undefined: for ever. */
  readonly retentionDays?: number
  readonly queryTimeoutMs?: number
  /** The wall clock, ms since 1970. */
  readonly clock?: () => number
}

/**
 * The store in a keyspace of Apache Cassandra, which it makes. There are no transactions: every write may be repeated
 * and overtaken, the version decides, and the position is written when all the rest is kept. Rejects with
 * `badConfiguration`, `storeUnavailable`.
 */
export async function openCassandraStore(options: CassandraStoreOptions): Promise<Store> {
  const { session, layout } = await openKeyspace(parseCassandraUrl(options.url))
  const clock = options.clock ?? Date.now
  const nowSeconds = () => Math.floor(clock() / 1000)
  const { retentionDays } = options
  const retentionSeconds = retentionDays === undefined ? undefined : retentionDays * daySeconds
  const points = new PointWriter({ session, layout, nowSeconds, retentionSeconds })
  const readings = new Readings(session, options.queryTimeoutMs ?? limits.queryTimeoutMs)
  return {
    capabilities: { positions: 'none', backups: 'engine' },
    writer: cassandraWriter({
      session,
      layout,
      points,
      nowSeconds,
      endsByItself: retentionDays !== undefined,
    }),
    reader: cassandraReader(readings, layout),
    backup: async () => {
      throw new DroverError('badRequest', {
        reason: 'Cassandra is backed up by its own snapshots (nodetool snapshot)',
      })
    },
    close: () => session.close(),
  }
}

interface WriterOptions {
  readonly session: Session
  readonly layout: Layout
  readonly points: PointWriter
  readonly nowSeconds: () => number
  /** Whether new points have an end: then only older ones are looked for, and not often. */
  readonly endsByItself: boolean
}

function cassandraWriter({ session, layout, points, nowSeconds, endsByItself }: WriterOptions): StoreWriter {
  const durable = new DurableListeners()
  const ids = new SeriesIds(session)
  let retainedAt = 0
  return {
    reserveSeriesIds: (count) => ids.reserve(count),
    loadSeries: async (deviceUids) =>
      Map.groupBy(await findLatest(session, deviceUids), ({ deviceUid }) => deviceUid),
    loadKeys: (deviceUids) => findKeys(session, deviceUids),
    quarantineCounts: (deviceUids) => countQuarantine(session, deviceUids),
    position: (consumer, partition) => findPosition(session, consumer, partition),
    onDurable: durable.add,
    write: async (batch) => {
      await ids.begin(batch.newSeries)
      await Promise.all([
        points.write([numberRows(batch.numbers), textRows(batch.texts)], ids.aliases),
        session.mutate(quarantineMutations(batch)),
      ])
      // A message counts as seen only once all that it holds is kept, and the position goes last.
      await session.mutate(keyMutations(batch))
      await writePosition(session, batch.position)
      await countTotals(session, batch)
      durable.tell(batch.position)
    },
    deleteDevice: (deviceUid) => deleteDevice(session, layout, deviceUid),
    applyRetention: async (olderThanMicros) => {
      const now = nowSeconds()
      if (endsByItself && now < retainedAt + daySeconds) return
      await applyRetention(session, layout, olderThanMicros, now)
      retainedAt = now
    },
  }
}

async function findPosition(session: Session, consumer: string, partition: number) {
  const query = 'SELECT identity, position FROM positions WHERE consumer = ? AND partition = ?'
  const rows = await session.rows<{ identity: string; position: { toNumber(): number } }>(query, [
    consumer,
    partition,
  ])
  return rows.map(({ identity, position }) => ({ identity, position: position.toNumber() }))[0]
}

/** The higher one wins, so that a processor that was overtaken does not move it back. */
async function writePosition(session: Session, moved: StoreBatch['position']): Promise<void> {
  const { consumer, partition, identity, position } = moved
  const query =
    'INSERT INTO positions (consumer, partition, identity, position) VALUES (?, ?, ?, ?) USING TIMESTAMP ?'
  await session.mutate([[{ query, params: [consumer, partition, identity, position, position] }]])
}

/** What was written, for the figures of `status`. */
async function countTotals(session: Session, batch: StoreBatch): Promise<void> {
  const counts = {
    series: batch.newSeries.length,
    points: batch.numbers.length + batch.texts.length,
    quarantined: batch.quarantine.length,
  }
  for (const [name, count] of Object.entries(counts))
    if (count > 0) await session.count('UPDATE totals SET value = value + ? WHERE name = ?', [count, name])
}

function cassandraReader(readings: Readings, layout: Layout): StoreReader {
  return {
    series: (deviceUids, metrics) =>
      readings.run(async (ask) =>
        (await findSeries(ask, deviceUids)).filter(({ metric }) => metrics?.includes(metric) ?? true),
      ),
    latest: (deviceUids) => readings.run((ask) => findLatest(ask, deviceUids)),
    points: (query) => readings.run((ask) => findPoints(ask, layout, query)),
    buckets: (query) => readings.run((ask) => findBuckets(ask, layout, query)),
    downsample: (query) => readings.run((ask) => downsample(ask, layout, query)),
    quarantine: (query) => readings.run((ask) => findQuarantine(ask, query)),
    quarantineEntry: (tenant, id) => readings.run((ask) => findQuarantineEntry(ask, tenant, id)),
    quarantineDropped: (deviceUids) => readings.run((ask) => countDropped(ask, deviceUids)),
    extent: (seriesIds) => readings.run((ask) => findExtent(ask, layout, seriesIds)),
    status: () => readings.run(status),
  }
}

/** Counts of what was written; what was overwritten, deleted or has ended since is counted in. */
async function status(ask: Ask): Promise<StoreStatus> {
  const rows = await ask.rows<{ name: string; value: { toNumber(): number } }>(
    'SELECT name, value FROM totals',
    [],
  )
  const totals = new Map(rows.map(({ name, value }) => [name, value.toNumber()]))
  return {
    series: totals.get('series') ?? 0,
    points: totals.get('points') ?? 0,
    hotPoints: 0,
    latePoints: 0,
    segments: 0,
    segmentBytes: 0,
    quarantined: totals.get('quarantined') ?? 0,
  }
}
