import { DroverError, isDroverError } from '@drover/protocol'
import type { Connection } from './duckdb.ts'
import { sync } from './files.ts'
import type { StoreState } from './state.ts'

/**
 * Runs `change` on the writing connection as one transaction, alone; `apply` then brings memory up to date before
 * anybody else changes something. What fails is undone and rejects with `storeUnavailable`, errors of the table as they are.
 */
export function transaction<T>(
  state: StoreState,
  change: (connection: Connection) => Promise<T>,
  apply: (changed: T) => void = () => {},
): Promise<T> {
  return state.lock.run(() => transactionLocked(state, change, apply))
}

/** The same for who holds the lock already. */
export async function transactionLocked<T>(
  state: StoreState,
  change: (connection: Connection) => Promise<T>,
  apply: (changed: T) => void = () => {},
): Promise<T> {
  const { writing } = state
  try {
    await writing.run('BEGIN')
    const changed = await change(writing)
    await writing.run('COMMIT')
    apply(changed)
    await syncLogName(state)
    return changed
  } catch (error) {
    await writing.run('ROLLBACK').catch(() => {})
    throw isDroverError(error) ? error : await failed(state, writing, error)
  }
}

/** What is committed but not sure to survive a power cut is looked up again, by opening the store anew. */
async function syncLogName({ health, options }: StoreState): Promise<void> {
  if (!health.logIsNew) return
  try {
    await sync(options.directory)
    health.logIsNew = false
  } catch (error) {
    health.broken = true
    throw error
  }
}

/**
 * What the caller is told of an error of DuckDB. Some, such as a full disk at the wrong moment, make it refuse
 * everything until it is opened again; that is found out here.
 */
export async function failed(
  { health }: StoreState,
  connection: Connection,
  error: unknown,
): Promise<DroverError> {
  await connection.run('SELECT 1').catch(() => {
    health.broken = true
  })
  return storeUnavailable(error)
}

export function storeUnavailable(error: unknown): DroverError {
  const reason = error instanceof Error ? error.message.split('\n')[0]! : String(error)
  return new DroverError('storeUnavailable', { reason }, error)
}
