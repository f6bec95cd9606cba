import { statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { fromSqlite } from './errors.ts'
import { lockTimeoutMs, walFile } from './file.ts'

/** A checkpoint copies the WAL into the file; a small WAL keeps each of them short. */
export const walBytesMax = 2 << 20
/** A WAL that could not start over is waited for at this size. */
const waitAtBytes = 32 << 20
const waitTimeoutMs = 20

/** The write-ahead log of the file: how large it has become, and when it is copied into the file. */
export class Wal {
  readonly #db: DatabaseSync
  readonly #file: string
  #bytes: number
  #waitAtBytes = waitAtBytes

  constructor(db: DatabaseSync, directory: string) {
    this.#db = db
    this.#file = walFile(directory)
    this.#bytes = this.#fileBytes
  }

  /** A transaction has written about so many bytes. */
  grew(bytes: number): void {
    this.#bytes += bytes
  }

  get isDue(): boolean {
    return this.#bytes > walBytesMax
  }

  /**
   * Copies the WAL into the file without waiting for readers. A reader that is always in the middle of something would keep
   * the WAL from starting over, so a WAL that has grown too long waits a moment for readers to pause.
   */
  checkpoint(): void {
    const wait = this.#bytes > this.#waitAtBytes
    if (wait) this.#db.exec(`PRAGMA busy_timeout = ${waitTimeoutMs}`)
    try {
      const result = this.#db.prepare(`PRAGMA wal_checkpoint(${wait ? 'RESTART' : 'PASSIVE'})`).get()!
      const isDone = result.log === result.checkpointed && !(wait && result.busy)
      if (isDone) this.#bytes = 0
      this.#waitAtBytes = wait && !isDone ? this.#bytes + waitAtBytes : waitAtBytes
    } catch (error) {
      throw fromSqlite(error)
    } finally {
      if (wait) this.#db.exec(`PRAGMA busy_timeout = ${lockTimeoutMs}`)
    }
  }

  /** Copies the WAL into the file and gives its space back to the disk, unless a reader is in the way. */
  truncate(): void {
    if (this.#fileBytes === 0) return
    try {
      this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } catch (error) {
      throw fromSqlite(error)
    }
    this.#bytes = this.#fileBytes
  }

  get #fileBytes(): number {
    return statSync(this.#file, { throwIfNoEntry: false })?.size ?? 0
  }
}
