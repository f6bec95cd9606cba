import type { DatabaseSync } from 'node:sqlite'
import { LogError } from './errors.ts'

export interface StoredPosition {
  readonly identity: string
  readonly position: number
}

/** The positions from `first_position` on, up to those of the next life, were given under this identity. */
interface Life {
  readonly first_position: number
  readonly identity: string
}

/** The identities that a log has had: its own, and those of the logs that it is a copy of. */
export class Lineage {
  readonly #lives: readonly Life[]

  constructor(db: DatabaseSync) {
    const sql = 'SELECT first_position, identity FROM lineage ORDER BY rowid'
    this.#lives = db.prepare(sql).all() as unknown as Life[]
  }

  get identity(): string {
    return this.#lives.at(-1)!.identity
  }

  /** Throws `identityMismatch` when this log did not give the position, nor any that it was copied from. */
  check(consumer: string, { identity, position }: StoredPosition): void {
    const at = this.#lives.findIndex((life) => life.identity === identity)
    const successor = this.#lives[at + 1]
    if (at >= 0 && (!successor || position < successor.first_position)) return
    throw new LogError('identityMismatch', `${consumer} holds positions of another log`, {
      expected: identity,
      actual: this.identity,
    })
  }
}
