import { backup } from './embedded/backup.ts'
import { deleteDevice } from './embedded/devices.ts'
import { Maintenance } from './embedded/maintenance.ts'
import { readerOf, seriesStates } from './embedded/read.ts'
import { Revived } from './embedded/revived.ts'
import {
  closeState,
  type EmbeddedStoreOptions,
  openState,
  positionKey,
  type StoreState,
} from './embedded/state.ts'
import { writeBatch } from './embedded/write.ts'
import type { Store, StoreReader, StoreWriter } from './store.ts'

export type { EmbeddedStoreOptions } from './embedded/state.ts'

export interface EmbeddedStore extends Store {
  /** Makes segments of all that is in tables, now. */
  rotate(): Promise<void>
  /** Merges until nothing is worth merging, and removes the points of deleted devices. */
  compact(): Promise<void>
}

interface Opened {
  readonly state: StoreState
  readonly maintenance: Maintenance
}

/**
 * The store in one folder: DuckDB for what is new, sorted Parquet files for the rest. The folder belongs to one
 * process, and the store to the thread that opened it. When DuckDB has refused everything since an error, such as a
 * full disk, the next call opens it again; until that succeeds, calls reject with `storeUnavailable`.
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  const opened = await Revived.open<Opened>({
    open: async (before) => {
      const state = await openState(options)
      if (before) state.catalog.used(before.state.catalog.next - 1)
      const maintenance = new Maintenance(state)
      maintenance.schedule()
      return { state, maintenance }
    },
    isBroken: ({ state }) => state.health.broken,
    close: async ({ state, maintenance }) => {
      await maintenance.close()
      await closeState(state)
    },
  })
  return {
    capabilities: { positions: 'transactional' },
    writer: embeddedWriter(opened),
    reader: embeddedReader(opened),
    rotate: async () => (await opened.get()).maintenance.rotate(),
    compact: async () => (await opened.get()).maintenance.compact(),
    backup: async (directory) => backup((await opened.get()).state, directory),
    close: () => opened.close(),
  }
}

function embeddedWriter(opened: Revived<Opened>): StoreWriter {
  const state = async () => (await opened.get()).state
  return {
    reserveSeriesIds: async (count) => ({ first: (await state()).catalog.reserve(count), count }),
    loadSeries: async (deviceUids) =>
      Map.groupBy(seriesStates(await state(), deviceUids), ({ deviceUid }) => deviceUid),
    loadKeys: async (deviceUids) => (await state()).keys.get(deviceUids),
    quarantineCounts: async (deviceUids) => {
      const { kept } = (await state()).quarantine
      return new Map(deviceUids.map((uid) => [uid, kept.get(uid) ?? 0]))
    },
    position: async (consumer, partition) => (await state()).positions.get(positionKey(consumer, partition)),
    write: async (batch) => {
      const { state, maintenance } = await opened.get()
      await maintenance.makeRoom()
      await state.lock.run(async () => {
        await maintenance.beforeWrite()
        await writeBatch(state, batch)
      })
    },
    deleteDevice: async (deviceUid) => deleteDevice(await state(), deviceUid),
    applyRetention: async (olderThanMicros) => (await opened.get()).maintenance.retain(olderThanMicros),
  }
}

function embeddedReader(opened: Revived<Opened>): StoreReader {
  const reader = async () => readerOf((await opened.get()).state)
  return {
    series: async (deviceUids, metrics) => (await reader()).series(deviceUids, metrics),
    latest: async (deviceUids) => (await reader()).latest(deviceUids),
    points: async (query) => (await reader()).points(query),
    buckets: async (query) => (await reader()).buckets(query),
    downsample: async (query) => (await reader()).downsample(query),
    quarantine: async (query) => (await reader()).quarantine(query),
    quarantineEntry: async (tenant, id) => (await reader()).quarantineEntry(tenant, id),
    quarantineDropped: async (deviceUids) => (await reader()).quarantineDropped(deviceUids),
    extent: async (seriesIds) => (await reader()).extent(seriesIds),
    status: async () => (await reader()).status(),
  }
}
