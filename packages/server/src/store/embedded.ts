import { backup } from './embedded/backup.ts'
import { deleteDevice } from './embedded/devices.ts'
import { Maintenance } from './embedded/maintenance.ts'
import { readerOf, seriesStates } from './embedded/read.ts'
import { closeState, type EmbeddedStoreOptions, openState, type StoreState } from './embedded/state.ts'
import { writeBatch } from './embedded/write.ts'
import { positionKey } from './position.ts'
import type { Store, StoreWriter } from './store.ts'

export type { EmbeddedStoreOptions } from './embedded/state.ts'

export interface EmbeddedStore extends Store {
  /** Whether it is at work in the background, at segments. */
  readonly isTidying: boolean
  /** Makes segments of all that is in tables, now. */
  rotate(): Promise<void>
  /** Merges until nothing is worth merging, and removes the points of deleted devices. */
  compact(): Promise<void>
}

/**
 * The store in one folder: DuckDB's tables in memory for what is new, sorted Parquet files for the rest, and a ledger that
 * says which files count and up to which position of the queue they reach. After a crash it goes on from there. The
 * folder belongs to one process, and the store to the thread that opened it.
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  const state = await openState(options)
  const maintenance = new Maintenance(state)
  let closed: Promise<void> | undefined
  const close = async () => {
    await maintenance.close()
    await closeState(state)
  }
  return {
    capabilities: { positions: 'transactional', backups: 'own' },
    writer: embeddedWriter(state, maintenance),
    reader: readerOf(state),
    get isTidying() {
      return maintenance.isRunning
    },
    rotate: () => maintenance.rotate(),
    compact: () => maintenance.compact(),
    backup: async (directory) => {
      await maintenance.rotate()
      await backup(state, directory)
    },
    close: () => {
      closed ??= close()
      return closed
    },
  }
}

function embeddedWriter(state: StoreState, maintenance: Maintenance): StoreWriter {
  const { catalog, keys, quarantine, positions } = state
  return {
    reserveSeriesIds: async (count) => ({ first: catalog.reserve(count), count }),
    loadSeries: async (deviceUids) =>
      Map.groupBy(seriesStates(state, deviceUids), ({ deviceUid }) => deviceUid),
    loadKeys: async (deviceUids) => keys.get(deviceUids),
    quarantineCounts: async (deviceUids) =>
      new Map(deviceUids.map((uid) => [uid, quarantine.kept.get(uid) ?? 0])),
    position: async (consumer, partition) => positions.get(positionKey(consumer, partition)),
    onDurable: state.durable.add,
    write: async (batch) => {
      await maintenance.makeRoom()
      await state.lock.run(async () => {
        await maintenance.beforeWrite()
        await writeBatch(state, batch)
      })
    },
    deleteDevice: (deviceUid) => deleteDevice(state, deviceUid),
    applyRetention: (olderThanMicros) => maintenance.retain(olderThanMicros),
  }
}
