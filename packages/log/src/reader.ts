import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { fromSqlite } from './errors.ts'
import { logFile, readNextPosition } from './file.ts'

/** A batch as the log keeps it. */
export interface LogEntry {
  readonly firstPosition: number
  readonly count: number
  readonly bytes: Uint8Array<ArrayBuffer>
}

interface Row {
  readonly last_position: number
  readonly count: number
  readonly bytes: Uint8Array<ArrayBuffer>
}

function toEntry({ last_position, count, bytes }: Row): LogEntry {
  return { firstPosition: last_position - count + 1, count, bytes }
}

/** Reads batches by position. Each statement is a transaction of its own, so that reading holds no checkpoint back. */
export class LogReader {
  readonly #db: DatabaseSync
  readonly #next: StatementSync
  readonly #bytes: StatementSync

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#next = db.prepare(
      'SELECT last_position, count, length(bytes) AS size FROM batches WHERE last_position > ? ORDER BY last_position LIMIT 1',
    )
    this.#bytes = db.prepare('SELECT bytes FROM batches WHERE last_position = ?')
  }

  /**
   * The batches that hold positions after `after`, in order, up to `bytesMax` bytes but at least one where there is one.
   * When `after` lies inside a batch, that batch comes first, whole.
   */
  read(after: number, bytesMax: number): LogEntry[] {
    try {
      const entries: LogEntry[] = []
      let bytes = 0
      for (let position = after; ; ) {
        const found = this.#next.get(position) as
          | { last_position: number; count: number; size: number }
          | undefined
        if (!found || (entries.length > 0 && bytes + found.size > bytesMax)) return entries
        const { last_position: last, count, size } = found
        const row = this.#bytes.get(last) as Pick<Row, 'bytes'> | undefined
        // Retention may have passed between the two statements; then the reader was not a consumer.
        if (!row) return entries
        entries.push(toEntry({ last_position: last, count, bytes: row.bytes }))
        bytes += size
        position = last
      }
    } catch (error) {
      throw fromSqlite(error)
    }
  }

  /** The next position to be given. */
  get nextPosition(): number {
    return readNextPosition(this.#db)
  }

  /** The last `count` batches that are kept, in order. */
  readLast(count: number): LogEntry[] {
    const sql = 'SELECT last_position, count, bytes FROM batches ORDER BY last_position DESC LIMIT ?'
    const rows = this.#db.prepare(sql).all(count) as unknown as Row[]
    return rows.reverse().map(toEntry)
  }

  close(): void {
    this.#db.close()
  }
}

/** A reader with its own read-only connection, for another thread than the log's. The log has to be open. */
export function openLogReader(directory: string): LogReader {
  try {
    return new LogReader(new DatabaseSync(logFile(directory), { readOnly: true, timeout: 1000 }))
  } catch (error) {
    throw fromSqlite(error)
  }
}
