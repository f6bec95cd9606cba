import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { fromSqlite, isLogError, LogError } from './errors.ts'
import { openFile, readNextPosition } from './file.ts'
import { Lineage, type StoredPosition } from './lineage.ts'
import { type LogEntry, LogReader } from './reader.ts'
import { DiskReserve } from './reserve.ts'
import { Wal, walBytesMax } from './wal.ts'

export interface LogOptions {
  /** The folder of the log's files; made if there is none. Only one Log may be open on it. */
  readonly directory: string
  /** Bytes of batches kept; an append past it is refused. The files may take about twice that. */
  readonly bytesMax: number
  /** Appends are refused while less is free on the disk; retention is not. */
  readonly diskReserveBytes?: number
  /** Bytes free on the disk, asked for now and then. */
  readonly freeBytes?: (directory: string) => number
  /** `OFF` only shows that the proof of durability can fail. */
  readonly synchronous?: 'FULL' | 'OFF'
}

/** Bytes that the log does not look into, holding `count` records, each of which gets a position. */
export interface LogBatch {
  readonly bytes: Uint8Array
  readonly count: number
}

export interface LogStatus {
  readonly identity: string
  /** The first position that is still kept; the next one if there is none. */
  readonly firstPosition: number
  readonly nextPosition: number
  readonly bytes: number
  readonly bytesMax: number
  readonly committed: Readonly<Record<string, number>>
}

/** One step of retention deletes at most so much. */
const trimBatchesMax = 64
const trimBytesMax = 4 << 20
/** Retention waits until it is worth a transaction, unless the log is told that there is time. */
const trimBytesMin = 1 << 20
/** What a transaction writes beside its batches, for the estimate of the WAL's size. */
const transactionBytes = 12 << 10
/**
 * Free pages are given back to the disk when they are more than this and most of the file: in short steps, between which
 * appends do not wait; in long ones while the disk is so full that nothing is appended.
 */
const freePagesKept = 4096
const freePagesStep = 64
const freePagesLongStep = 1024

/**
 * An append-only log of batches in one SQLite file. Synchronous and for one thread. Positions count records from 1, have
 * no gaps, and are never given twice, whatever retention, restart or restore did.
 */
export class Log {
  readonly #db: DatabaseSync
  readonly #reader: LogReader
  readonly #options: LogOptions
  readonly #insert: StatementSync
  readonly #lineage: Lineage
  readonly #reserve: DiskReserve
  readonly #wal: Wal
  readonly #committed = new Map<string, number>()
  #note: string
  #nextPosition: number
  #firstPosition: number
  #bytes: number
  /** Whether there is something to save with the next step of retention. */
  #dirty = false
  /** Everything up to here that can be deleted is. */
  #trimmedTo: number
  #mayShrink = true

  /** @internal Use `openLog`. */
  constructor(db: DatabaseSync, options: LogOptions) {
    this.#db = db
    this.#options = options
    this.#reader = new LogReader(db)
    this.#insert = db.prepare('INSERT INTO batches (last_position, count, bytes) VALUES (?, ?, ?)')
    this.#lineage = new Lineage(db)
    this.#reserve = new DiskReserve(options.directory, options.diskReserveBytes ?? 0, options.freeBytes)
    this.#wal = new Wal(db, options.directory)
    for (const { name, position } of db.prepare('SELECT name, position FROM consumers').all())
      this.#committed.set(String(name), Number(position))
    this.#note = String(db.prepare('SELECT text FROM note').get()!.text)
    this.#nextPosition = readNextPosition(db)
    this.#firstPosition = this.#readFirstPosition()
    this.#bytes = Number(db.prepare('SELECT total(length(bytes)) AS bytes FROM batches').get()!.bytes)
    this.#trimmedTo = this.#firstPosition - 1
  }

  get status(): LogStatus {
    return {
      identity: this.identity,
      firstPosition: this.#firstPosition,
      nextPosition: this.#nextPosition,
      bytes: this.#bytes,
      bytesMax: this.#options.bytesMax,
      committed: Object.fromEntries(this.#committed),
    }
  }

  /** The random name of the log to which the positions it gives now belong. */
  get identity(): string {
    return this.#lineage.identity
  }

  get nextPosition(): number {
    return this.#nextPosition
  }

  /** Bytes that may still be appended before the log is full. */
  get roomBytes(): number {
    return this.#options.bytesMax - this.#bytes
  }

  /** A short text of the owner's, kept by the transaction that deletes batches. */
  get note(): string {
    return this.#note
  }

  set note(text: string) {
    this.#dirty ||= text !== this.#note
    this.#note = text
  }

  /**
   * Appends all of the batches or none, with one sync of the disk; when it returns they are durable. Answers the position
   * of the first batch's first record; the others follow without a gap.
   * Throws `full`, `diskReserve` or `unavailable`.
   */
  append(batches: readonly LogBatch[]): number {
    const bytes = batches.reduce((sum, batch) => sum + batch.bytes.length, 0)
    if (bytes > this.roomBytes)
      throw new LogError('full', 'The log is full', { limit: this.#options.bytesMax })
    this.#reserve.check(bytes)
    const first = this.#nextPosition
    let next = first
    this.#transaction(() => {
      for (const batch of batches) {
        if (batch.count < 1) throw new RangeError('A batch holds at least one record')
        next += batch.count
        this.#insert.run(next - 1, batch.count, batch.bytes)
      }
    })
    this.#nextPosition = next
    this.#bytes += bytes
    this.#wal.grew(bytes + transactionBytes)
    return first
  }

  /** The batches that hold positions after `after`, as `LogReader.read` does. */
  read(after: number, bytesMax: number): LogEntry[] {
    return this.#reader.read(after, bytesMax)
  }

  /** The last `count` batches that are kept, in order. */
  readLast(count: number): LogEntry[] {
    return this.#reader.readLast(count)
  }

  /**
   * Remembers a consumer, for which retention keeps all that it has not committed, and answers the position after which it
   * starts: `stored`, what it has stored itself, or else before the first position that is kept.
   * Throws `identityMismatch` or `positionGone`, and for a new consumer `diskReserve` or `unavailable`.
   */
  addConsumer(name: string, stored?: StoredPosition): number {
    if (stored) this.#lineage.check(name, stored)
    const position = stored?.position ?? this.#firstPosition - 1
    if (position + 1 < this.#firstPosition || position >= this.#nextPosition)
      throw new LogError(
        'positionGone',
        `${name} goes on after position ${position}, but the log keeps ${this.#firstPosition} to ${this.#nextPosition - 1}`,
      )
    if (!this.#committed.has(name)) this.#saveConsumer(name, position)
    this.#committed.set(name, position)
    this.#dirty = true
    return position
  }

  /** Forgets a consumer; retention no longer waits for it. */
  removeConsumer(name: string): void {
    if (!this.#committed.delete(name)) return
    this.#transaction(() => this.#db.prepare('DELETE FROM consumers WHERE name = ?').run(name))
  }

  /**
   * The consumer has stored everything up to and including `position`. Kept in memory until the next step of retention;
   * after a crash the consumer may find itself earlier, never later.
   */
  commit(name: string, position: number): void {
    const committed = this.#committed.get(name)
    if (committed === undefined) throw new RangeError(`The log has no consumer ${name}`)
    if (position >= this.#nextPosition) throw new RangeError(`The log has no position ${position}`)
    if (position <= committed) return
    this.#committed.set(name, position)
    this.#dirty = true
  }

  /**
   * One bounded step of retention and tidying; answers whether there is more to do. Without `thorough` it does only what is
   * worth its time while appends wait; with it, all that can be done.
   */
  maintain(thorough = false): boolean {
    if (this.#wal.isDue) this.#wal.checkpoint()
    if (this.#trimIsDue(thorough)) return this.#trim(thorough)
    return thorough && (this.#mayShrink || this.#reserve.isReached) && this.#shrink()
  }

  /** Saves what consumers have committed, deletes what they have stored, if that is possible, and closes the file. */
  close(): void {
    try {
      while (this.#trimIsDue(true)) this.#trim(true)
    } catch (error) {
      // A full disk: what is not saved or deleted now will be after the next start.
      if (!isLogError(error)) throw error
    } finally {
      this.#db.close()
    }
  }

  get #slowest(): number {
    return this.#committed.size === 0 ? 0 : Math.min(...this.#committed.values())
  }

  #readFirstPosition(): number {
    const row = this.#db
      .prepare('SELECT last_position - count + 1 AS first FROM batches ORDER BY last_position LIMIT 1')
      .get()
    return row ? Number(row.first) : this.#nextPosition
  }

  #trimIsDue(thorough: boolean): boolean {
    const isNew = this.#slowest > this.#trimmedTo
    if (thorough || !isNew) return thorough && (isNew || this.#dirty)
    const records = this.#slowest - this.#firstPosition + 1
    const bytes = (records / (this.#nextPosition - this.#firstPosition)) * this.#bytes
    return bytes > trimBytesMin || bytes * 4 > this.#options.bytesMax
  }

  #trim(thorough: boolean): boolean {
    const { position, bytes, isLast } = this.#trimStep()
    try {
      this.#trimTransaction(position)
    } catch (error) {
      // With no space left for the WAL to grow, a checkpoint lets it be written from its start again.
      if (!isLogError(error, 'diskReserve')) throw error
      this.#wal.checkpoint()
      this.#trimTransaction(position)
    }
    this.#dirty = false
    this.#bytes -= bytes
    this.#wal.grew(transactionBytes)
    if (position > 0) this.#firstPosition = position + 1
    if (isLast) this.#trimmedTo = this.#slowest
    this.#mayShrink = true
    return this.#trimIsDue(thorough) || (thorough && this.#mayShrink)
  }

  /** How far one step goes: the last position it deletes (0: nothing), the bytes of its batches, whether it is the last. */
  #trimStep(): { position: number; bytes: number; isLast: boolean } {
    const slowest = this.#slowest
    let position = 0
    let bytes = 0
    const rows = this.#db
      .prepare(
        'SELECT last_position, length(bytes) AS size FROM batches WHERE last_position <= ? ORDER BY last_position LIMIT ?',
      )
      .all(slowest, trimBatchesMax)
    for (const { last_position: last, size } of rows) {
      if (position > 0 && bytes + Number(size) > trimBytesMax) return { position, bytes, isLast: false }
      position = Number(last)
      bytes += Number(size)
    }
    return { position, bytes, isLast: rows.length < trimBatchesMax }
  }

  #trimTransaction(position: number): void {
    this.#transaction(() => {
      for (const [name, committed] of this.#committed) this.#saveConsumer(name, committed)
      this.#db.prepare('UPDATE note SET text = ?').run(this.#note)
      this.#db.prepare('DELETE FROM batches WHERE last_position <= ?').run(position)
    })
  }

  #saveConsumer(name: string, position: number): void {
    try {
      this.#db.prepare('INSERT OR REPLACE INTO consumers VALUES (?, ?)').run(name, position)
    } catch (error) {
      throw fromSqlite(error)
    }
  }

  /**
   * Gives some of the file's free pages back to the disk; answers whether there are more. Some are kept for what is appended
   * next, but none while the disk is so full that nothing is appended.
   */
  #shrink(): boolean {
    const { isReached } = this.#reserve
    const free = this.#pragma('freelist_count')
    this.#mayShrink = isReached ? free > 0 : free > freePagesKept && free * 2 > this.#pragma('page_count')
    if (this.#mayShrink) this.#vacuum(isReached ? freePagesLongStep : freePagesStep)
    else if (isReached) this.#wal.truncate()
    return this.#mayShrink
  }

  #vacuum(pages: number): void {
    try {
      this.#db.exec(`PRAGMA incremental_vacuum(${pages})`)
    } catch (error) {
      throw fromSqlite(error)
    }
    this.#wal.grew(pages * 32 + transactionBytes)
  }

  #pragma(name: 'freelist_count' | 'page_count'): number {
    return Number(this.#db.prepare(`PRAGMA ${name}`).get()![name])
  }

  #transaction(body: () => void): void {
    try {
      this.#db.exec('BEGIN IMMEDIATE')
      body()
      this.#db.exec('COMMIT')
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      throw fromSqlite(error)
    }
  }
}

/** Opens the log of a folder, or makes one. Throws `corrupt` or `unavailable`. */
export function openLog(options: LogOptions): Log {
  const db = openFile(options.directory, options.synchronous ?? 'FULL', walBytesMax)
  try {
    return new Log(db, options)
  } catch (error) {
    db.close()
    throw fromSqlite(error)
  }
}
