import { Hypertables } from './postgres/hypertables.ts'
import { openState } from './postgres/state.ts'
import { type PostgresStore, type PostgresStoreOptions, storeOf } from './postgres.ts'

export interface TimescaleStoreOptions extends PostgresStoreOptions {
  /** Told at the start of what the server's edition cannot do and Drover goes without. */
  readonly onNotice?: (notice: string) => void
}

/**
 * The store of PostgreSQL in hypertables of TimescaleDB, with old chunks compressed. `timescale://…` is as `postgres://…`.
 * Rejects as that does, and with `badConfiguration` when the server has no TimescaleDB that will do.
 */
export async function openTimescaleStore({
  onNotice = () => {},
  ...options
}: TimescaleStoreOptions): Promise<PostgresStore> {
  const url = options.url.replace(/^timescale:/, 'postgres:')
  const state = await openState(
    { ...options, url },
    (_, schema, days) => new Hypertables(schema, days, onNotice),
  )
  return storeOf(state)
}
