import { DroverError, isDroverError } from '@drover/protocol'

/** Codes of the native protocol for statements that will not succeed however often they are sent. */
const refusedForGood = new Set([0x2000, 0x2100, 0x2200, 0x2300])

/** What the caller is told: `storeUnavailable`, unless it would not help to try again. */
export function cassandraError(error: unknown): unknown {
  if (isDroverError(error) || !(error instanceof Error)) return error
  if ('code' in error && refusedForGood.has(error.code as number)) return error
  if (error.name === 'TypeError' || error.name === 'RangeError') return error
  return new DroverError('storeUnavailable', { reason: reasonOf(error) }, error)
}

function reasonOf(error: Error): string {
  return innermost(error).message.split('\n')[0]!
}

/** Of several nodes that were tried, what came of the first one. */
export function innermost(error: Error): Error {
  const [inner] = 'innerErrors' in error ? Object.values(error.innerErrors as object) : []
  return inner instanceof Error ? inner : error
}
