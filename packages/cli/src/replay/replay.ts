import { setTimeout as wait } from 'node:timers/promises'
import type { DeviceReading, RowReader } from './columns.ts'
import type { Sender } from './sender.ts'

export interface ReplayOptions {
  /** Data rows count from 1 (below the header); earlier ones are left out. */
  readonly fromRow: number
  readonly rowsMax: number
  /** Readings a message. */
  readonly batch: number
  /** Times faster than the rows' own clock; Infinity for as fast as the server takes them. */
  readonly speed: number
  readonly senderOf: (device: string) => Promise<Sender>
  /** Ends the replay; close the senders then, so that what waits for them goes on. */
  readonly signal: AbortSignal
}

export interface ReplayCounts {
  readonly rows: number
  readonly values: number
  readonly messagesSent: number
  readonly messagesAcknowledged: number
  readonly rowsAcknowledged: number
  readonly skipped: Readonly<Record<'noTime' | 'noValues' | 'noDevice', number>>
  /** The first row that is not acknowledged, from which another replay goes on. */
  readonly nextRow: number
}

/**
 * Sends rows in their order as fast as they are acknowledged, with bounded memory. Stops at the first failure or when
 * the signal aborts; what was counted until then tells from which row to go on.
 */
export class Replay {
  readonly #options: ReplayOptions
  /** First rows of messages in flight, in their order. */
  readonly #unacknowledged = new Set<number>()
  readonly #collected = new Map<string, { readonly firstRow: number; readonly readings: DeviceReading[] }>()
  readonly #skipped = { noTime: 0, noValues: 0, noDevice: 0 }
  #row = 0
  #rows = 0
  #values = 0
  #messagesSent = 0
  #messagesAcknowledged = 0
  #rowsAcknowledged = 0
  #failure: unknown
  #onSettled: (() => void) | undefined
  #start: { readonly dataMs: number; readonly clockMs: number } | undefined

  constructor(options: ReplayOptions) {
    this.#options = options
  }

  get counts(): ReplayCounts {
    const collected = [...this.#collected.values()].map(({ firstRow }) => firstRow)
    return {
      rows: this.#rows,
      values: this.#values,
      messagesSent: this.#messagesSent,
      messagesAcknowledged: this.#messagesAcknowledged,
      rowsAcknowledged: this.#rowsAcknowledged,
      skipped: { ...this.#skipped },
      nextRow: Math.min(this.#row + 1, ...this.#unacknowledged, ...collected),
    }
  }

  /** Resolves when all is acknowledged or the signal aborted. Rejects with the first failure of a send. */
  async run(rows: AsyncIterable<string[]>, readRow: RowReader): Promise<void> {
    const { fromRow, rowsMax, signal } = this.#options
    for await (const cells of rows) {
      if (signal.aborted || this.#failure || this.#rows >= rowsMax) break
      if (this.#row + 1 >= fromRow) await this.#take(cells, readRow)
      this.#row++
    }
    if (!signal.aborted) for (const device of [...this.#collected.keys()]) await this.#send(device)
    if (this.#unacknowledged.size > 0 && !this.#failure) await this.#settled()
    if (this.#failure) throw this.#failure
  }

  async #take(cells: string[], readRow: RowReader): Promise<void> {
    const reading = readRow(cells)
    this.#rows++
    if (typeof reading === 'string') {
      this.#skipped[reading]++
      return
    }
    await this.#pace(reading.time)
    const { device } = reading
    const collected = this.#collected.get(device)
    if (collected) collected.readings.push(reading)
    else this.#collected.set(device, { firstRow: this.#row + 1, readings: [reading] })
    this.#values += Object.keys(reading.values).length
    if ((collected?.readings.length ?? 1) >= this.#options.batch) await this.#send(device)
  }

  async #send(device: string): Promise<void> {
    const { firstRow, readings } = this.#collected.get(device)!
    const sender = await this.#options.senderOf(device)
    await sender.room()
    if (this.#failure || this.#options.signal.aborted) return
    this.#collected.delete(device)
    this.#unacknowledged.add(firstRow)
    this.#messagesSent++
    sender.send(readings).then(
      () => this.#acknowledged(firstRow, readings.length),
      (error: unknown) => this.#failed(error),
    )
  }

  #acknowledged(firstRow: number, rows: number): void {
    this.#unacknowledged.delete(firstRow)
    this.#messagesAcknowledged++
    this.#rowsAcknowledged += rows
    if (this.#unacknowledged.size === 0) this.#onSettled?.()
  }

  #failed(error: unknown): void {
    if (!this.#options.signal.aborted) this.#failure ??= error
    this.#onSettled?.()
  }

  /** Resolves when everything sent is acknowledged, or something failed. */
  #settled(): Promise<void> {
    return new Promise((resolve) => {
      this.#onSettled = resolve
    })
  }

  async #pace(dataMs: number): Promise<void> {
    const { speed, signal } = this.#options
    if (speed === Number.POSITIVE_INFINITY) return
    this.#start ??= { dataMs, clockMs: performance.now() }
    const due = this.#start.clockMs + (dataMs - this.#start.dataMs) / speed
    const waitMs = due - performance.now()
    if (waitMs > 1) await wait(waitMs, undefined, { signal }).catch(() => undefined)
  }
}
