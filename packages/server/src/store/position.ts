import { DroverError } from '@drover/protocol'
import type { StoreBatch } from './store.ts'

export interface StoredPosition {
  readonly identity: string
  readonly position: number
}

/** Throws `positionConflict` or `identityMismatch` unless the stored position is the one that the batch goes on from. */
export function fence(stored: StoredPosition | undefined, moved: StoreBatch['position']): void {
  if (stored?.position !== moved.expected)
    throw new DroverError('positionConflict', {
      expected: moved.expected ?? 'none',
      actual: stored?.position ?? 'none',
    })
  if (stored && stored.identity !== (moved.expectedIdentity ?? moved.identity))
    throw new DroverError('identityMismatch', {
      store: 'store',
      expected: stored.identity,
      actual: moved.identity,
    })
}
