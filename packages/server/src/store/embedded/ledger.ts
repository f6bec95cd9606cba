import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { DroverError } from '@drover/protocol'
import { Mutex } from '../mutex.ts'
import { storeUnavailable } from './errors.ts'

/**
 * What the store holds for certain, in SQLite: which segments count, up to which position of the queue they reach, and
 * what belongs to them: series, keys, quarantine. It changes in one durable transaction at a time.
 */
export class Ledger {
  readonly db: DatabaseSync
  readonly #mutex = new Mutex()

  constructor(db: DatabaseSync) {
    this.db = db
  }

  /**
   * Everything that `change` does, or nothing; `apply` then brings memory up to date in the same turn. Rejects with
   * `storeUnavailable`. Reads in between see what is not committed yet.
   */
  transaction(
    change: (db: DatabaseSync) => void | Promise<void>,
    apply: () => void = () => {},
  ): Promise<void> {
    return this.#mutex.run(async () => {
      try {
        this.db.exec('BEGIN IMMEDIATE')
        await change(this.db)
        this.db.exec('COMMIT')
      } catch (error) {
        if (this.db.isTransaction) this.db.exec('ROLLBACK')
        throw storeUnavailable(error)
      }
      apply()
    })
  }

  /** Nothing changes while `task` runs. */
  still<T>(task: () => Promise<T>): Promise<T> {
    return this.#mutex.run(task)
  }

  /** Answers once nothing is under way. */
  close(): Promise<void> {
    return this.#mutex.run(async () => this.db.close())
  }
}

const schema = `
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, device_uid INTEGER NOT NULL,
    metric TEXT NOT NULL, type TEXT NOT NULL, unit TEXT) STRICT;
  CREATE INDEX IF NOT EXISTS series_by_device ON series (device_uid);
  CREATE TABLE IF NOT EXISTS tombstones (series INTEGER PRIMARY KEY, metric TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS positions (consumer TEXT NOT NULL, partition INTEGER NOT NULL, identity TEXT NOT NULL,
    position INTEGER NOT NULL, PRIMARY KEY (consumer, partition)) STRICT;
  CREATE TABLE IF NOT EXISTS segments (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, kind TEXT NOT NULL,
    late INTEGER NOT NULL, file TEXT NOT NULL, rows INTEGER NOT NULL, suspects INTEGER NOT NULL, bytes INTEGER NOT NULL,
    sums INTEGER NOT NULL, sums_bytes INTEGER NOT NULL, sums_micros INTEGER NOT NULL, time_min INTEGER NOT NULL, time_max INTEGER NOT NULL,
    series_min INTEGER NOT NULL, series_max INTEGER NOT NULL, metric_min TEXT NOT NULL, metric_max TEXT NOT NULL,
    series_first INTEGER NOT NULL, series_last INTEGER NOT NULL, version_min INTEGER NOT NULL,
    version_max INTEGER NOT NULL, arrived_max INTEGER NOT NULL, cut INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS quarantine (id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, device_uid INTEGER NOT NULL,
    reason TEXT NOT NULL, message TEXT NOT NULL, metric TEXT, received_at INTEGER NOT NULL,
    content_type INTEGER NOT NULL, payload BLOB NOT NULL, payload_bytes INTEGER NOT NULL, version INTEGER NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS quarantine_by_device ON quarantine (device_uid, id);
  CREATE INDEX IF NOT EXISTS quarantine_by_reason ON quarantine (tenant, reason, id);
  CREATE INDEX IF NOT EXISTS quarantine_by_receipt ON quarantine (received_at);
  CREATE TABLE IF NOT EXISTS quarantine_dropped (device_uid INTEGER PRIMARY KEY, dropped INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS message_keys (device_uid INTEGER NOT NULL, key TEXT NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (device_uid, key)) STRICT, WITHOUT ROWID;
`

/** Opens the ledger's file, or makes one. Throws `corruptData` when it is not one that can be read. */
export function openLedger(file: string): Ledger {
  const db = new DatabaseSync(file)
  try {
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    db.exec(schema)
    return new Ledger(db)
  } catch (error) {
    db.close()
    throw new DroverError('corruptData', { what: file, reason: (error as Error).message }, error)
  }
}

export type MetaName = 'seriesNext' | 'quarantineNext' | 'latest'

export function readMeta(db: DatabaseSync, name: MetaName): number | string | undefined {
  return db.prepare('SELECT value FROM meta WHERE name = ?').get(name)?.value as number | string | undefined
}

export function writeMeta(db: DatabaseSync, name: MetaName, value: number | string): void {
  db.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)').run(name, value)
}

/** Rows that are written before others on this thread get a turn. */
const rowsPerTurn = 2_000

/** Runs a statement for each of many rows, a turn of the event loop for some thousands of them. */
export async function forRows<T>(
  statement: StatementSync,
  rows: Iterable<T>,
  valuesOf: (row: T) => readonly (number | string | Uint8Array | null)[],
): Promise<void> {
  let written = 0
  for (const row of rows) {
    statement.run(...valuesOf(row))
    if (++written % rowsPerTurn === 0) await nextTurn()
  }
}
