import { setTimeout as sleep } from 'node:timers/promises'
import { DroverError, errorTable, isDroverError, limits } from '@drover/protocol'
import { BatchWriter, type ReceiptClock, type SealedBatch } from '../queue/batch.ts'
import type { Queue } from '../queue/queue.ts'
import { emptyHistogram, observe } from './histogram.ts'

/** What waits for the records of one flight. */
export interface Receipts {
  /** All records that were added since the last receipts are durable. */
  appended(): void
  /** Some or all of them are not, and will not be tried again. */
  refused(error: Error): void
}

export interface CollectorOptions {
  readonly queue: Pick<Queue, 'append'>
  readonly clock: ReceiptClock
  /** 8 bytes that no other writer of records uses. */
  readonly bootId: Uint8Array
  /** Called at the start of a flight: what waits for it; a new collection starts. */
  readonly takeReceipts: () => Receipts
  /**
   * Called when the collector becomes congested (an append failed, or more than `limits.gatewayPendingBytesMax` bytes
   * wait) and when it no longer is; who adds records should stop meanwhile.
   */
  readonly onCongestion?: (congested: boolean) => void
  /** Whether a flight that failed is tried again until it succeeds. */
  readonly retry: boolean
  /** An append failed and is tried again, or given up. */
  readonly onFailure?: (error: unknown) => void
  readonly pendingBytesMax?: number
}

const firstRetryMs = 100
const retryMsMax = 2_000
/** Milliseconds between two flights, where a flight takes so long that it is worth it. */
const gatherMs = 1
const slowFlightMs = 3

/**
 * Turns records into appends. What is added in one turn of the loop, and while an append is on its way, becomes the
 * next flight; only one flight is on its way at a time, so that records keep their order also when one fails. While
 * it is, the log commits those of the other gateways too, so nothing is gained by sending more at once.
 */
export class Collector {
  readonly latency = emptyHistogram()
  readonly #options: CollectorOptions
  readonly #writer: BatchWriter
  readonly #pendingBytesMax: number
  readonly #closing = new AbortController()
  readonly #onTurn = () => this.#turn()
  /** Batches that were full before their flight started. */
  #sealed: SealedBatch[] = []
  #sealedBytes = 0
  #flyingBytes = 0
  #flying: Promise<void> | undefined
  #scheduled = false
  #failing = false
  #congested = false

  constructor(options: CollectorOptions) {
    this.#options = options
    this.#writer = new BatchWriter(options.bootId, options.clock)
    this.#pendingBytesMax = options.pendingBytesMax ?? limits.gatewayPendingBytesMax
  }

  get congested(): boolean {
    return this.#congested
  }

  /** Bytes that were added and are not durable yet. */
  get pendingBytes(): number {
    return this.#flyingBytes + this.#sealedBytes + (this.#writer.count > 0 ? this.#writer.bytesUsed : 0)
  }

  /** Flights that wait for the queue: 0 or 1, and the one that is being collected. */
  get waiting(): number {
    return (this.#flying ? 1 : 0) + (this.#scheduled ? 1 : 0)
  }

  /** Adds a record whose payload is `source` from `start` to `end`; it is copied. */
  add(
    tenant: number,
    deviceUid: number,
    channel: number,
    contentType: number,
    flags: number,
    key: string,
    source: Buffer,
    start: number,
    end: number,
  ): void {
    const writer = this.#writer
    writer.addSlice(tenant, deviceUid, channel, contentType, flags, key, source, start, end)
    if (!this.#scheduled) this.schedule()
    if (writer.bytesUsed >= limits.batchBytesMax) this.#seal()
  }

  /** Asks for a flight after this turn of the loop, also when only answers and no records wait for one. */
  schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    if (!this.#flying) setImmediate(this.#onTurn)
  }

  /** Gives up retrying; answers when nothing is on its way any more. */
  async close(): Promise<void> {
    while (this.#scheduled || this.#flying) {
      if (!this.#flying) this.#turn()
      await this.#flying
    }
  }

  /** From now on a flight that fails is given up instead of tried again. */
  stopRetrying(): void {
    this.#closing.abort()
  }

  #turn(): void {
    if (this.#flying || !this.#scheduled) return
    this.#scheduled = false
    this.#seal()
    const batches = this.#sealed
    this.#flyingBytes = this.#sealedBytes
    this.#sealed = []
    this.#sealedBytes = 0
    this.#flying = this.#fly(batches, this.#options.takeReceipts())
  }

  async #fly(batches: readonly SealedBatch[], receipts: Receipts): Promise<void> {
    const startedAt = performance.now()
    // Without records it waits too, so that no flight has ended before it is known to be on its way.
    const failure = await (batches.length > 0 ? this.#appendAll(batches) : undefined)
    const tookMs = performance.now() - startedAt
    if (batches.length > 0) observe(this.latency, tookMs)
    this.#flying = undefined
    this.#flyingBytes = 0
    this.#failing = false
    for (const batch of batches) if (this.#options.retry) this.#writer.reuse(batch)
    if (failure === undefined) receipts.appended()
    else receipts.refused(failure)
    this.#weigh()
    if (!this.#scheduled) return
    // Who was just answered sends again at once. On a disk that syncs slowly it is worth a moment to have them all in the
    // next flight: otherwise senders fall into two groups, each of which waits while the other one's flight is synced.
    if (tookMs >= slowFlightMs) setTimeout(this.#onTurn, gatherMs)
    else setImmediate(this.#onTurn)
  }

  /** Appends all of them, in order, however often it takes; answers with the error that cannot be mended by trying again. */
  async #appendAll(batches: readonly SealedBatch[]): Promise<Error | undefined> {
    let left = batches
    for (let delayMs = firstRetryMs; ; delayMs = Math.min(delayMs * 2, retryMsMax)) {
      const results = await Promise.allSettled(left.map((batch) => this.#append(batch)))
      left = left.filter((_, index) => results[index]!.status === 'rejected')
      if (left.length === 0) return undefined
      const error: unknown = results.find((result) => result.status === 'rejected')!.reason
      this.#options.onFailure?.(error)
      if (!this.#options.retry || !isRetryable(error) || this.#closing.signal.aborted) return asError(error)
      this.#failing = true
      this.#weigh()
      await sleep(delayMs, undefined, { signal: this.#closing.signal }).catch(() => {})
    }
  }

  /** The queue takes the buffer; what may have to be sent again is sent as a copy, of the size that it has. */
  async #append({ bytes, count }: SealedBatch): Promise<void> {
    await this.#options.queue.append({ bytes: this.#options.retry ? bytes.slice() : bytes, count })
  }

  #seal(): void {
    if (this.#writer.count > 0) {
      const batch = this.#writer.seal()
      this.#sealed.push(batch)
      this.#sealedBytes += batch.bytes.length
    }
    this.#weigh()
  }

  #weigh(): void {
    const congested = this.#failing || this.#sealedBytes + this.#flyingBytes > this.#pendingBytesMax
    if (congested === this.#congested) return
    this.#congested = congested
    this.#options.onCongestion?.(congested)
  }
}

function isRetryable(error: unknown): boolean {
  return isDroverError(error) && errorTable[error.code].retryable
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new DroverError('internal', {}, error)
}
