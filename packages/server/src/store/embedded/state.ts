import { existsSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { DroverError, limits } from '@drover/protocol'
import { micros } from '../micros.ts'
import { Mutex } from '../mutex.ts'
import { DurableListeners, positionKey, type StoredPosition } from '../position.ts'
import type { Series } from '../store.ts'
import { Changes } from './changes.ts'
import { type AppendColumn, type Connection, type Database, openDatabase } from './duckdb.ts'
import { type Failpoint, type Layout, layout, makeFolders, removeUnlisted } from './files.ts'
import {
  filesOf,
  Inventories,
  type Inventory,
  type PointTable,
  pointTable,
  type Retired,
} from './inventory.ts'
import { loadKeys, type MessageKeys } from './keys.ts'
import { LatestPoints } from './latest.ts'
import { latestNumber, latestOfFile, latestRows, putLatest } from './latest-file.ts'
import { type Ledger, openLedger, readMeta } from './ledger.ts'
import { ReadPool } from './pool.ts'
import { QuarantineCounts } from './quarantine.ts'
import { createPointTable, kinds, seriesTable } from './schema.ts'
import { checkSegments, loadSegments } from './segments.ts'
import { loadSeries, type SeriesCatalog } from './series.ts'

export interface EmbeddedStoreOptions {
  /** Made if it is not there. Holds `ledger.sqlite`, `segments/` and `tmp/`. */
  readonly directory: string
  readonly memoryLimitBytes?: number
  /** Threads that DuckDB computes with. */
  readonly threads?: number
  /** Points at which the hot table becomes a segment. */
  readonly hotPointsMax?: number
  /** Points at which the late table becomes a segment. */
  readonly latePointsMax?: number
  /** Bytes of the queue that may have to be read again after a crash; then the tables become segments, however full. */
  readonly replayBytesMax?: number
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
  replayBytesMax: 268_435_456,
  segmentPointsMax: 4_000_000,
  readConnections: 2,
  queriesWaitingMax: limits.queriesWaitingMax,
  queryTimeoutMs: limits.queryTimeoutMs,
  clock: Date.now,
  failpoint: () => {},
  maintenance: 'automatic',
  onError: () => {},
} as const satisfies Omit<Required<EmbeddedStoreOptions>, 'directory'>

/** Everything that an open store holds; all of it belongs to one thread. */
export interface StoreState {
  readonly options: Readonly<Required<EmbeddedStoreOptions>>
  readonly folders: Layout
  readonly ledger: Ledger
  readonly database: Database
  /** For all that changes the tables in memory, under the lock. */
  readonly writing: Connection
  /** For what rotation and merging compute beside the writes. */
  readonly computing: Connection
  readonly readers: ReadPool
  /** Held by whoever changes the tables; whoever needs the ledger too takes it after this. */
  readonly lock: Mutex
  readonly catalog: SeriesCatalog
  readonly latest: LatestPoints
  readonly keys: MessageKeys
  readonly quarantine: QuarantineCounts
  readonly positions: Map<string, StoredPosition>
  readonly inventories: Inventories
  /** What the ledger does not have yet: of each generation of tables, the current one last. */
  readonly changes: Changes[]
  /** Replaced tables and files that are being deleted. */
  readonly removals: ReadonlySet<Promise<void>>
  readonly durable: DurableListeners
  /** Numbers that are given away once. */
  readonly counters: { generation: number; segment: number; latest: number }
}

export function nowMicros({ options }: StoreState): number {
  return micros(options.clock())
}

export async function openState(given: EmbeddedStoreOptions): Promise<StoreState> {
  const options = { ...defaults, ...given }
  const folders = layout(options.directory)
  await makeFolders(folders)
  await refuseWithoutLedger(folders)
  const ledger = openLedger(folders.ledger)
  const database = await openDatabase({
    threads: options.threads,
    memoryLimitBytes: options.memoryLimitBytes,
    temporaryDirectory: join(folders.temporary, 'spill'),
  })
  try {
    return await loadState(options, folders, ledger, database)
  } catch (error) {
    database.close()
    await ledger.close()
    throw error
  }
}

/** A lost ledger must not make the segments look like what a crash left behind. */
async function refuseWithoutLedger({ ledger, segments }: Layout): Promise<void> {
  if (existsSync(ledger) || (await readdir(segments)).length === 0) return
  throw new DroverError('corruptData', { what: `The store in ${segments}`, reason: `${ledger} is missing` })
}

async function loadState(
  options: Required<EmbeddedStoreOptions>,
  folders: Layout,
  ledger: Ledger,
  database: Database,
): Promise<StoreState> {
  const { db } = ledger
  const segments = loadSegments(db)
  const catalog = loadSeries(db)
  const latestFile = readMeta(db, 'latest') as string | undefined
  const tables = kinds.flatMap((kind) => [pointTable(kind, false, 0), pointTable(kind, true, 0)])
  const inventory: Inventory = { tables, segments, latest: latestFile }
  await checkSegments(segments, folders)
  await removeUnlisted(folders, new Set(filesOf(inventory)))
  const writing = await database.connect()
  await createTables(writing, tables, catalog)
  const lock = new Mutex()
  const removals = new Set<Promise<void>>()
  const remove = (item: Retired) => {
    const removal = removeItem(item, folders, lock, writing)
      .catch(options.onError)
      .finally(() => removals.delete(removal))
    removals.add(removal)
  }
  return {
    options,
    folders,
    ledger,
    database,
    writing,
    computing: await database.connect(),
    readers: await ReadPool.open(database, {
      connections: options.readConnections,
      waitingMax: options.queriesWaitingMax,
      timeoutMs: options.queryTimeoutMs,
    }),
    lock,
    catalog,
    latest: await loadLatest(writing, folders, inventory, catalog),
    keys: loadKeys(db),
    quarantine: new QuarantineCounts(db),
    positions: loadPositions(db),
    inventories: new Inventories(inventory, remove),
    changes: [new Changes()],
    removals,
    durable: new DurableListeners(),
    counters: {
      generation: 0,
      segment: 1 + Math.max(0, ...segments.map(({ id }) => id)),
      latest: latestFile ? latestNumber(latestFile) : 0,
    },
  }
}

async function createTables(connection: Connection, tables: readonly PointTable[], catalog: SeriesCatalog) {
  await connection.run([seriesTable, ...tables.map(createPointTable)].join(';'))
  await connection.append('series', catalog.count, seriesColumns([...catalog.all()]))
}

export function seriesColumns(series: readonly Series[]): AppendColumn[] {
  return [
    { type: 'integer', values: Int32Array.from(series, ({ id }) => id) },
    { type: 'text', values: series.map(({ metric }) => metric) },
  ]
}

async function loadLatest(
  connection: Connection,
  folders: Layout,
  inventory: Inventory,
  catalog: SeriesCatalog,
): Promise<LatestPoints> {
  const latest = new LatestPoints()
  for (const { id } of catalog.all()) latest.addSeries(id)
  for (const select of latestOfFile(inventory, folders))
    for (const point of await latestRows(connection, select)) putLatest(latest, point)
  return latest
}

function loadPositions(db: DatabaseSync): Map<string, StoredPosition> {
  const rows = db.prepare('SELECT consumer, partition, identity, position FROM positions').all()
  return new Map(
    rows.map(({ consumer, partition, identity, position }) => [
      positionKey(String(consumer), Number(partition)),
      { identity: String(identity), position: Number(position) },
    ]),
  )
}

async function removeItem(item: Retired, folders: Layout, lock: Mutex, writing: Connection): Promise<void> {
  if ('file' in item) await rm(join(folders.segments, item.file), { force: true })
  else await lock.run(() => writing.run(`DROP TABLE ${item.table}`))
}

/** The caller holds nothing of it any more; what still reads is stopped. */
export async function closeState(state: StoreState): Promise<void> {
  const { readers, lock, computing, writing, database, ledger } = state
  await readers.close()
  await Promise.all(state.removals)
  await lock.run(async () => {
    computing.close()
    writing.close()
    database.close()
  })
  await ledger.close()
}
