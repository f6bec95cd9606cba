import { DroverError } from '@drover/protocol'
import { readerOf, seriesStates } from './postgres/read.ts'
import { heldKeys, quarantineCounts } from './postgres/records.ts'
import { applyRetention, deleteDevice } from './postgres/removal.ts'
import { closeState, openState, type PostgresStoreOptions, type StoreState } from './postgres/state.ts'
import { Tidying } from './postgres/tidy.ts'
import { storedPosition, writeBatch } from './postgres/write.ts'
import type { Store, StoreWriter } from './store.ts'

export type { PostgresStoreOptions } from './postgres/state.ts'

export interface PostgresStore extends Store {
  /** Brings sums up to date and removes the points of deleted devices, now. */
  tidy(): Promise<void>
}

/**
 * Opens the store in a database of PostgreSQL, whose tables are made if they are not there. Rejects with
 * `storeUnavailable`, or `badConfiguration` when the server lets nobody in.
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<PostgresStore> {
  return storeOf(await openState(options))
}

export function storeOf(state: StoreState): PostgresStore {
  const tidying = new Tidying(state)
  return {
    capabilities: { positions: 'transactional', backups: 'engine' },
    reader: readerOf(state),
    writer: writerOf(state),
    tidy: () => tidying.run(),
    backup: async () => {
      throw new DroverError('badRequest', {
        reason: 'a store in PostgreSQL is backed up with its own means, such as pg_dump or pgBackRest',
      })
    },
    close: async () => {
      await tidying.close()
      await closeState(state)
    },
  }
}

function writerOf(state: StoreState): StoreWriter {
  const { schema, writing } = state
  return {
    reserveSeriesIds: (count) =>
      writing.use(async (session) => {
        const [row] = await session.rows<{ next: number }>(
          `UPDATE ${schema}.state SET next_series = next_series + $1 RETURNING next_series AS next`,
          [count],
        )
        return { first: row!.next - count, count }
      }),
    loadSeries: async (deviceUids) => {
      const states = await writing.use((session) => seriesStates(session, schema, deviceUids))
      return Map.groupBy(states, (one) => one.deviceUid)
    },
    loadKeys: (deviceUids) => writing.use((session) => heldKeys(session, schema, deviceUids)),
    quarantineCounts: (deviceUids) => writing.use((session) => quarantineCounts(session, schema, deviceUids)),
    position: (consumer, partition) =>
      writing.use((session) => storedPosition(session, schema, consumer, partition)),
    onDurable: state.durable.add,
    write: (batch) => writeBatch(state, batch),
    deleteDevice: (deviceUid) => deleteDevice(state, deviceUid),
    applyRetention: (olderThanMicros) => applyRetention(state, olderThanMicros),
  }
}
