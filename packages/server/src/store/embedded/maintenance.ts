import { limits } from '@drover/protocol'
import { dayMicros } from '../micros.ts'
import { Mutex } from '../mutex.ts'
import { duckdbError } from './errors.ts'
import { mergeOnce } from './merge.ts'
import { purgeOnce } from './purge.ts'
import { applyRetention } from './retention.ts'
import { rotatedTables, rotationDue, switchTables, writeSegments } from './rotation.ts'
import { nowMicros, type StoreState } from './state.ts'

/** Tables that may be filled before writes wait for the ones that are becoming segments. */
const filledTablesMax = 2
/** Wait before what failed in the background is tried again, and between looking for what time alone makes due. */
const retryMs = 5_000
const idleMs = 60_000

/** What the store does beside reading and writing, one thing at a time: segments, merging, retention. */
export class Maintenance {
  readonly #state: StoreState
  readonly #tasks = new Mutex()
  #scheduled = false
  #closed = false
  #retry: NodeJS.Timeout | undefined
  readonly #idle: NodeJS.Timeout
  #lastPurgeMicros: number

  constructor(state: StoreState) {
    this.#state = state
    this.#lastPurgeMicros = nowMicros(state)
    this.#idle = setInterval(() => this.schedule(), idleMs).unref()
  }

  /** Before a write, with the lock held: gives it new tables when it is time, and waits when too many are full. */
  async beforeWrite(): Promise<void> {
    if (!rotationDue(this.#state)) return
    const waiting = rotatedTables(this.#state).filter((table) => !table.late && table.kind === 'numbers')
    if (waiting.length === 0) await switchTables(this.#state)
    this.schedule()
  }

  /** Before a write, without the lock. Rejects when the disk does not take what is full already. */
  async makeRoom(): Promise<void> {
    const { hotPointsMax, latePointsMax } = this.#state.options
    const rows = (late: boolean) =>
      this.#state.inventories.current.tables
        .filter((table) => table.late === late)
        .reduce((sum, table) => sum + table.rows, 0)
    const full = filledTablesMax + 1
    if (rows(false) <= full * hotPointsMax && rows(true) <= full * latePointsMax) return
    await this.#rotate().catch(async (error) => {
      throw await duckdbError(this.#state.computing, error)
    })
  }

  get isRunning(): boolean {
    return this.#scheduled
  }

  /** Does in the background what is due. */
  schedule(): void {
    if (this.#scheduled || this.#closed || this.#state.options.maintenance === 'asked') return
    this.#scheduled = true
    this.#run().catch((error) => {
      this.#scheduled = false
      if (this.#closed) return
      this.#state.options.onError(error)
      this.#retry = setTimeout(() => this.schedule(), retryMs).unref()
    })
  }

  /** Makes segments of all tables now. */
  rotate(): Promise<void> {
    return this.#tasks.run(async () => {
      await writeSegments(this.#state)
      if (this.#state.changes.at(-1)!.isEmpty) return
      await this.#state.lock.run(() => switchTables(this.#state))
      await writeSegments(this.#state)
    })
  }

  /** Merges until nothing is worth merging, and removes what was deleted. */
  compact(): Promise<void> {
    return this.#tasks.run(async () => {
      while (await mergeOnce(this.#state, true));
      while (await purgeOnce(this.#state));
      await Promise.all(this.#state.removals)
    })
  }

  retain(olderThanMicros: number): Promise<void> {
    return this.#tasks.run(async () => {
      if (rotationDue(this.#state)) await this.#state.lock.run(() => switchTables(this.#state))
      await writeSegments(this.#state)
      await applyRetention(this.#state, olderThanMicros)
    })
  }

  /** Makes all durable that is in memory, if the disk takes it; the queue has it in any case. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    clearInterval(this.#idle)
    await this.rotate().catch(this.#state.options.onError)
  }

  async #run(): Promise<void> {
    if (rotationDue(this.#state))
      await this.#state.lock.run(async () => {
        if (rotatedTables(this.#state).length === 0) await switchTables(this.#state)
      })
    await this.#rotate()
    await this.#tasks.run(() => this.#forgetQuarantine())
    let merged = true
    while (merged && !this.#closed) {
      await this.#rotate()
      merged = await this.#tasks.run(() => mergeOnce(this.#state))
    }
    if (nowMicros(this.#state) - this.#lastPurgeMicros > dayMicros / 24) await this.#purge()
    this.#scheduled = false
    if (rotationDue(this.#state)) this.schedule()
  }

  #rotate(): Promise<void> {
    return this.#tasks.run(async () => {
      if (this.#closed || rotatedTables(this.#state).length === 0) return
      await writeSegments(this.#state)
    })
  }

  async #purge(): Promise<void> {
    this.#lastPurgeMicros = nowMicros(this.#state)
    while (!this.#closed && (await this.#tasks.run(() => purgeOnce(this.#state))));
  }

  async #forgetQuarantine(): Promise<void> {
    const { ledger, quarantine, changes } = this.#state
    const before = nowMicros(this.#state) - limits.quarantineDays * dayMicros
    const { oldest } = ledger.db.prepare('SELECT min(received_at) AS oldest FROM quarantine').get()!
    if (oldest === null || Number(oldest) >= before) return
    await ledger.transaction(
      (db) => void db.prepare('DELETE FROM quarantine WHERE received_at < ?').run(before),
      () => quarantine.countKept(ledger.db, changes),
    )
  }
}
