import { DroverError, isDroverError } from '@drover/protocol'
import type { Connection } from './duckdb.ts'

export function storeUnavailable(error: unknown): DroverError {
  if (isDroverError(error)) return error
  const reason = error instanceof Error ? error.message.split('\n')[0]! : String(error)
  return new DroverError('storeUnavailable', { reason }, error)
}

/**
 * What the caller is told of an error of DuckDB: `storeUnavailable`, or what DuckDB itself says when it refuses
 * everything since, so that nobody tries again: only a new start mends it.
 */
export async function duckdbError(connection: Connection, error: unknown): Promise<unknown> {
  try {
    await connection.run('SELECT 1')
    return storeUnavailable(error)
  } catch {
    return error
  }
}
