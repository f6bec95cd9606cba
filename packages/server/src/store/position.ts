import { DroverError } from '@drover/protocol'
import type { DurableListener, StoreBatch } from './store.ts'

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

export function positionKey(consumer: string, partition: number): string {
  return `${partition}/${consumer}`
}

/** Who is told of positions that have become durable. */
export class DurableListeners {
  readonly #listeners = new Set<DurableListener>()

  /** Answers how to stop. */
  readonly add = (listener: DurableListener): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell(position: Parameters<DurableListener>[0]): void {
    for (const listener of this.#listeners) listener(position)
  }
}
