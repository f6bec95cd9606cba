import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { limits } from '@drover/protocol'
import { micros } from '../micros.ts'
import type { StoredPosition } from '../position.ts'
import { type Connection, type Database, literal, openDatabase, type ResultColumn } from './duckdb.ts'
import { type Failpoint, type Layout, layout, makeFolders, removeUnlisted } from './files.ts'
import { hoursFile } from './hours.ts'
import { Inventories, type PointTable, parseTableName, pointTable } from './inventory.ts'
import { loadKeys, type MessageKeys } from './keys.ts'
import { LatestPoints } from './latest.ts'
import { loadLatest } from './latest-table.ts'
import { Mutex } from './mutex.ts'
import { ReadPool } from './pool.ts'
import { QuarantineCounts } from './quarantine.ts'
import { createPointTable, kinds, schema } from './schema.ts'
import { checkSegments, loadSegments, segmentFiles } from './segments.ts'
import { loadSeries, type SeriesCatalog } from './series.ts'

export interface EmbeddedStoreOptions {
  /** Made if it is not there. Holds `drover.duckdb`, `segments/` and `tmp/`. */
  readonly directory: string
  readonly memoryLimitBytes?: number
  /** Threads that DuckDB computes with. */
  readonly threads?: number
  /** Points at which the hot table becomes a segment. */
  readonly hotPointsMax?: number
  /** Points at which the late table becomes a segment. */
  readonly latePointsMax?: number
  /** Points of one segment that a merge writes. */
  readonly segmentPointsMax?: number
  readonly readConnections?: number
  readonly queriesWaitingMax?: number
  readonly queryTimeoutMs?: number
  /** The wall clock, ms since 1970. */
  readonly clock?: () => number
  /** Called between any two steps of rotation and merging; a test ends the process there. */
  readonly failpoint?: Failpoint
  /** Whether segments are made and merged as soon as there is reason, or only when asked. */
  readonly maintenance?: 'automatic' | 'asked'
  /** Told of what failed in the background; it is tried again. */
  readonly onError?: (error: unknown) => void
}

export const defaults = {
  memoryLimitBytes: 1_073_741_824,
  threads: 2,
  hotPointsMax: 3_000_000,
  latePointsMax: 300_000,
  segmentPointsMax: 4_000_000,
  readConnections: 2,
  queriesWaitingMax: limits.queriesWaitingMax,
  queryTimeoutMs: limits.queryTimeoutMs,
  clock: Date.now,
  failpoint: () => {},
  maintenance: 'automatic',
  onError: () => {},
} as const satisfies Omit<Required<EmbeddedStoreOptions>, 'directory'>

/** Bytes of DuckDB's write-ahead log at which it is folded into its file: about two hot tables. */
const checkpointBytes = 201_326_592

/** Everything that an open store holds; all of it belongs to one thread. */
export interface StoreState {
  readonly options: Readonly<Required<EmbeddedStoreOptions>>
  readonly folders: Layout
  readonly database: Database
  /** For all that changes something, under the lock. */
  readonly writing: Connection
  /** For what rotation and merging compute beside the writes. */
  readonly computing: Connection
  readonly readers: ReadPool
  /** Held by whoever changes something. */
  readonly lock: Mutex
  readonly catalog: SeriesCatalog
  readonly latest: LatestPoints
  readonly keys: MessageKeys
  readonly quarantine: QuarantineCounts
  readonly positions: Map<string, StoredPosition>
  readonly inventories: Inventories
  /** Replaced files that are being deleted. */
  readonly removals: ReadonlySet<Promise<void>>
  /**
   * `broken`: DuckDB refuses everything until it is opened again. `logIsNew`: the next commit creates the file of its
   * log, whose name is then still to be made durable.
   */
  readonly health: { broken: boolean; logIsNew: boolean }
  /** Numbers that are given away once. */
  readonly counters: { generation: number; segment: number; latestTable: number }
}

export function nowMicros({ options }: StoreState): number {
  return micros(options.clock())
}

export async function openState(given: EmbeddedStoreOptions): Promise<StoreState> {
  const options = { ...defaults, ...given }
  const folders = layout(options.directory)
  await makeFolders(folders)
  const database = await openDatabase(folders.database, {
    threads: options.threads,
    memoryLimitBytes: options.memoryLimitBytes,
    temporaryDirectory: join(folders.temporary, 'spill'),
    checkpointBytes,
  })
  try {
    return await loadState(options, folders, database)
  } catch (error) {
    database.close()
    throw error
  }
}

async function loadState(
  options: Required<EmbeddedStoreOptions>,
  folders: Layout,
  database: Database,
): Promise<StoreState> {
  const writing = await database.connect()
  await writing.run(schema)
  const segments = await loadSegments(writing)
  await checkSegments(segments, folders)
  await removeUnlisted(folders, new Set(segments.flatMap(segmentFiles).map(({ file }) => file)))
  const catalog = await loadSeries(writing)
  const latest = new LatestPoints()
  for (const id of catalog.ids()) latest.addSeries(id)
  const { tables, counters } = await loadTables(writing, micros(options.clock()))
  catalog.used((await readMeta(writing, 'series_next', 1)) - 1)
  counters.segment = 1 + Math.max(0, ...segments.map(({ id }) => id))
  await loadLatest(writing, latest, counters.latestTable, tables)
  const quarantine = new QuarantineCounts()
  await quarantine.load(writing)
  const removals = new Set<Promise<void>>()
  const remove = (file: string) => {
    const removal = Promise.all(
      [file, hoursFile(file)].map((name) => rm(join(folders.segments, name), { force: true })),
    )
      .then(() => {})
      .catch(options.onError)
      .finally(() => removals.delete(removal))
    removals.add(removal)
  }
  return {
    options,
    folders,
    database,
    writing,
    computing: await database.connect(),
    readers: await ReadPool.open(database, {
      connections: options.readConnections,
      waitingMax: options.queriesWaitingMax,
      timeoutMs: options.queryTimeoutMs,
    }),
    lock: new Mutex(),
    catalog,
    latest,
    keys: await loadKeys(writing),
    quarantine,
    positions: await loadPositions(writing),
    inventories: new Inventories({ tables, segments }, remove),
    removals,
    health: { broken: false, logIsNew: true },
    counters,
  }
}

async function readMeta(connection: Connection, name: string, otherwise: number): Promise<number> {
  const [values] = await connection.columns(`SELECT value::DOUBLE FROM meta WHERE name = ${literal(name)}`)
  return (values as Float64Array)[0] ?? otherwise
}

/** A number that outlives the process, by name. */
export function writeMeta(name: 'series_next' | 'latest_table', value: number): string {
  return `DELETE FROM meta WHERE name = '${name}'; INSERT INTO meta VALUES ('${name}', ${value});`
}

async function loadPositions(connection: Connection): Promise<Map<string, StoredPosition>> {
  const [consumers, partitions, identities, positions] = (await connection.columns(
    'SELECT consumer, partition, identity, position::DOUBLE FROM positions',
  )) as [string[], Int32Array, string[], Float64Array] & ResultColumn[]
  return new Map(
    consumers.map((consumer, at) => [
      positionKey(consumer, partitions[at]!),
      { identity: identities[at]!, position: positions[at]! },
    ]),
  )
}

export function positionKey(consumer: string, partition: number): string {
  return `${partition}/${consumer}`
}

/** The tables of points as they are found, and new ones to write to if there are none. */
async function loadTables(connection: Connection, now: number) {
  const [names] = (await connection.columns('SELECT table_name FROM duckdb_tables()')) as [string[]] &
    ResultColumn[]
  const tables = names.flatMap((name) => parseTableName(name) ?? [])
  const latestTables = names.flatMap((name) => /^latest_(\d+)$/.exec(name)?.[1] ?? []).map(Number)
  const counters = {
    generation: Math.max(0, ...tables.map((table) => table.generation)),
    segment: 1,
    latestTable: await currentLatestTable(connection, latestTables),
  }
  for (const kind of kinds)
    for (const late of [false, true])
      if (!tables.some((table) => table.kind === kind && table.late === late)) {
        const table = pointTable(kind, late, counters.generation)
        await connection.run(createPointTable(table.name, kind))
        tables.push(table)
      }
  for (const table of tables) await countTable(connection, table, now)
  return { tables, counters }
}

/** A crash may leave one that was being made for the next rotation; it is dropped. */
async function currentLatestTable(connection: Connection, found: readonly number[]): Promise<number> {
  const current = await readMeta(connection, 'latest_table', 0)
  for (const other of found) if (other !== current) await connection.run(`DROP TABLE latest_${other}`)
  return current
}

async function countTable(connection: Connection, table: PointTable, now: number): Promise<void> {
  const [ids, counts, first, last] = (await connection.columns(
    `SELECT series, count(*)::DOUBLE, epoch_us(min(time))::DOUBLE, epoch_us(max(time))::DOUBLE
     FROM ${table.name} GROUP BY series`,
  )) as [Int32Array, Float64Array, Float64Array, Float64Array] & ResultColumn[]
  for (let at = 0; at < ids.length; at++) {
    table.rows += counts[at]!
    table.timeMin = Math.min(table.timeMin, first[at]!)
    table.timeMax = Math.max(table.timeMax, last[at]!)
    if (table.late) table.series.set(ids[at]!, { min: first[at]!, max: last[at]! })
  }
  if (table.rows > 0) {
    table.arrivedMin = now
    table.arrivedMax = now
  }
}

/** The caller holds nothing of it any more; what still reads is stopped. */
export async function closeState({ readers, lock, computing, writing, database }: StoreState): Promise<void> {
  await readers.close()
  await lock.run(async () => {
    computing.close()
    writing.close()
    database.close()
  })
}
