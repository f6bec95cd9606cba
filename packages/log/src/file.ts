import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fromSqlite, LogError } from './errors.ts'

/**
 * The file of a log. One row a batch, keyed by the position of its last record. AUTOINCREMENT makes SQLite remember the
 * greatest key ever given, so that positions go on where they were after retention has deleted every row.
 * `lineage` lists the identities that the log has had, each from the first position it gave.
 */
const schema = `
  CREATE TABLE batches (last_position INTEGER PRIMARY KEY AUTOINCREMENT, count INTEGER NOT NULL, bytes BLOB NOT NULL);
  CREATE TABLE consumers (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE lineage (first_position INTEGER NOT NULL, identity TEXT NOT NULL UNIQUE);
  CREATE TABLE note (text TEXT NOT NULL);
  INSERT INTO note VALUES ('');
`
const formatVersion = 1

/** Milliseconds that a statement waits for a lock; the log is the only writer, so there is hardly ever one. */
export const lockTimeoutMs = 50

export function logFile(directory: string): string {
  return join(directory, 'log.sqlite')
}

export function walFile(directory: string): string {
  return `${logFile(directory)}-wal`
}

/** Opens the file for its one writer, and creates it where there is none. */
export function openFile(directory: string, synchronous: 'FULL' | 'OFF', walBytesMax: number): DatabaseSync {
  const file = logFile(directory)
  const isNew = !existsSync(file)
  if (isNew) mkdirSync(directory, { recursive: true })
  const db = new DatabaseSync(file, { timeout: lockTimeoutMs })
  try {
    // auto_vacuum has to be set before the first table; it lets the file shrink after a long backlog.
    db.exec(`PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous};
      PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = ${walBytesMax}; PRAGMA cache_size = -8192;`)
    createTables(db)
  } catch (error) {
    db.close()
    throw fromSqlite(error)
  }
  if (isNew) syncDirectories(directory)
  return db
}

function createTables(db: DatabaseSync): void {
  const version = Number(db.prepare('PRAGMA user_version').get()!.user_version)
  if (version === formatVersion) return
  if (version !== 0) throw new LogError('corrupt', `The log has the unknown format ${version}`)
  db.exec(`BEGIN IMMEDIATE; ${schema} PRAGMA user_version = ${formatVersion};`)
  addIdentity(db, 1)
  db.exec('COMMIT')
}

/** From `firstPosition` on, positions belong to a new identity. */
export function addIdentity(db: DatabaseSync, firstPosition: number): void {
  db.prepare('INSERT INTO lineage VALUES (?, ?)').run(firstPosition, randomBytes(16).toString('hex'))
}

/** The next position to be given. */
export function readNextPosition(db: DatabaseSync): number {
  const row = db.prepare(`SELECT seq FROM sqlite_sequence WHERE name = 'batches'`).get()
  return Number(row?.seq ?? 0) + 1
}

/** A new file survives a power cut only when the folders that name it are on disk too. */
function syncDirectories(directory: string): void {
  const path = resolve(directory)
  for (const each of [path, dirname(path)]) {
    const handle = openSync(each, 'r')
    try {
      fsyncSync(handle)
    } finally {
      closeSync(handle)
    }
  }
}
