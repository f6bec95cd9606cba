import { setTimeout as sleep } from 'node:timers/promises'
import { DroverError, errorTable, isDroverError } from '@drover/protocol'
import type { Consumer, Delivery, Queue, StoredPosition } from '../queue/queue.ts'
import { retry } from '../runtime/retry.ts'
import type { StoreBatch, StoreWriter } from '../store/store.ts'
import type { StoredState } from './devices.ts'
import type { GiveWay } from './give-way.ts'
import type { LivePublisher } from './live.ts'
import { emptyMetrics, observeStored, type ProcessingMetrics } from './metrics.ts'
import { PendingBatch } from './pending-batch.ts'
import { Processor } from './process.ts'
import type { DeviceProfiles } from './profiles.ts'

/** The name under which the queue and the store remember this consumer. */
export const consumerName = 'processing'

/** Bytes of deliveries that become one transaction. */
const batchBytesMax = 4 << 20
/** Many small transactions would cost more than they hurry. */
const gatherMsDefault = 25
const firstDelayMs = 20
const delayMsMax = 5_000

export interface ProcessingOptions {
  readonly queue: Pick<Queue, 'consume' | 'capabilities'>
  readonly writer: StoreWriter
  readonly profiles: DeviceProfiles
  readonly live: Pick<LivePublisher, 'wants' | 'stored'>
  readonly nowMicros: () => number
  readonly onFailure: (error: unknown) => void
  readonly devicesMax?: number
  readonly batchBytesMax?: number
  /** Under a steady stream, how long after a transaction the next one starts. */
  readonly gatherMs?: number
  /** Without it, storing never waits on purpose when much is waiting for it. */
  readonly giveWay?: Pick<GiveWay, 'pause'>
  /** Where it goes on counting; new ones by default. */
  readonly metrics?: ProcessingMetrics
}

/**
 * Starts to store what the queue gives, from the position that the store holds on. Rejects with `identityMismatch` when
 * that position belongs to another log.
 */
export async function startProcessing(options: ProcessingOptions): Promise<Processing> {
  const positions = new Map<number, StoredPosition>()
  const load = async (partition: number) => {
    const stored = await options.writer.position(consumerName, partition)
    if (stored) positions.set(partition, stored)
    else positions.delete(partition)
    return stored
  }
  let processing: Processing | undefined
  const consuming = options.queue.consume({
    consumer: consumerName,
    nextBytesMax: options.batchBytesMax ?? batchBytesMax,
    after: (partition) => processing?.takeOver(() => load(partition)) ?? load(partition),
    onLost: async (partitions) => processing?.giveUp(partitions),
  })
  processing = new Processing(options, await consuming.catch(nameTheStore), positions)
  return processing
}

/** Who reads the error knows the store, not the name of a consumer. */
function nameTheStore(error: unknown): never {
  if (!isDroverError(error, 'identityMismatch')) throw error
  throw new DroverError('identityMismatch', { ...error.details, store: 'store' }, error)
}

/** The loop from the queue to the store: while one batch is written, the next is decoded. */
export class Processing {
  readonly metrics: ProcessingMetrics
  /** Resolves once the loop has ended as it was asked to; rejects when it cannot go on, with nothing lost. */
  readonly done: Promise<void>
  readonly #options: ProcessingOptions
  readonly #consumer: Consumer
  readonly #processor: Processor
  /** The last written position, by partition. */
  readonly #positions: Map<number, StoredPosition>
  readonly #spare = [new PendingBatch(), new PendingBatch()]
  readonly #closing = new AbortController()
  /** Batches and changes to what the processor knows come one after the other. */
  #last: Promise<unknown> = Promise.resolve()
  /** The write that is under way; never rejects. */
  #writing: Promise<void> = Promise.resolve()
  #failure: { readonly error: unknown } | undefined
  readonly #batchBytesMax: number
  #lag = { lagMs: 0, spanMs: 0 }
  /** Resolves at the next write, and is made anew then. */
  #storedNow = Promise.withResolvers<void>()

  constructor(options: ProcessingOptions, consumer: Consumer, positions: Map<number, StoredPosition>) {
    const { profiles, live, onFailure, devicesMax } = options
    this.#options = options
    this.metrics = options.metrics ?? emptyMetrics()
    this.#consumer = consumer
    this.#positions = positions
    this.#batchBytesMax = options.batchBytesMax ?? batchBytesMax
    this.#notePositions()
    this.#processor = new Processor({
      profiles: this.#patientProfiles(profiles),
      stored: this.#patientStore(options.writer),
      metrics: this.metrics,
      live,
      onFailure,
      devicesMax,
    })
    const stopCommitting = options.writer.onDurable(({ consumer, partition, position }) => {
      if (consumer === consumerName) this.#commit(partition, position)
    })
    this.done = this.#run().finally(stopCommitting)
  }

  /** A partition is this processor's from here on: another one may have stored more of its devices than is known here. */
  takeOver<T>(loadPosition: () => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      await this.#settled()
      this.#processor.devices.forget('all')
      const loaded = await this.#patiently(loadPosition)
      this.#notePositions()
      return loaded
    })
  }

  /** The partitions go to another processor: resolves when all that was taken of them is stored. */
  giveUp(partitions: readonly number[]): Promise<void> {
    return this.#inTurn(async () => {
      await this.#settled()
      this.#processor.devices.forget('all')
      for (const partition of partitions) this.#positions.delete(partition)
      this.#notePositions()
    })
  }

  /** What the registry says of these devices has changed. */
  devicesChanged(deviceUids: readonly number[] | 'all'): Promise<void> {
    return this.#inTurn(async () => this.#processor.devices.forget(deviceUids))
  }

  profileChanged(tenant: number, profileId: string): Promise<void> {
    return this.#inTurn(async () => this.#processor.devices.forgetProfile(tenant, profileId))
  }

  /** The device is gone from the registry: nothing of it is stored after this. */
  deleteDevice(deviceUid: number): Promise<void> {
    return this.#inTurn(async () => {
      this.#processor.devices.forget([deviceUid])
      await this.#writing
      await this.#options.writer.deleteDevice(deviceUid)
    })
  }

  /**
   * Resolves once everything up to the position (the sum over the partitions) is stored; at the latest after so long.
   * Answers whether it is.
   */
  async reached(position: number, timeoutMs: number): Promise<boolean> {
    const isReached = () => sumOf(this.metrics.positions) >= position
    const { promise: late, resolve } = Promise.withResolvers<boolean>()
    const timer = setTimeout(resolve, timeoutMs, false)
    const ended = this.done.then(
      () => false,
      () => false,
    )
    const stored = () => this.#storedNow.promise.then(() => true)
    try {
      for (let goOn = true; goOn && !isReached(); ) goOn = await Promise.race([stored(), late, ended])
      return isReached()
    } finally {
      clearTimeout(timer)
    }
  }

  /** Stores what was taken from the queue; the rest stays there. Resolves when the loop has ended, whatever the reason. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#consumer.close()
    await this.done.catch(() => {})
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        const deliveries = await this.#consumer.next()
        if (deliveries.length === 0) break
        const takenAt = performance.now()
        await this.#inTurn(() => this.#take(deliveries))
        await this.#gather(deliveries, takenAt)
      }
      await this.#settled()
    } catch (error) {
      this.#fail(error)
    }
    await this.#writing
    if (this.#failure) throw this.#failure.error
  }

  #notePositions(): void {
    this.metrics.positions = Object.fromEntries(
      [...this.#positions].map(([partition, { position }]) => [partition, position]),
    )
  }

  /** Lets a little gather in the queue, unless much is waiting already. */
  async #gather(taken: readonly Delivery[], takenAt: number): Promise<void> {
    const bytes = taken.reduce((sum, delivery) => sum + delivery.bytes.length, 0)
    const { gatherMs = gatherMsDefault, giveWay } = this.#options
    const workMs = performance.now() - takenAt
    const leftMs = gatherMs - workMs
    const isMuch = bytes * 16 >= this.#batchBytesMax
    if (isMuch && (await giveWay?.pause({ ...this.#lag, bytes, workMs }, this.#closing.signal))) return
    if (bytes * 2 >= this.#batchBytesMax || leftMs < 1) return
    await sleep(leftMs, undefined, { signal: this.#closing.signal }).catch(() => {})
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(task)
    this.#last = turn.catch(() => {})
    return turn
  }

  async #take(deliveries: readonly Delivery[]): Promise<void> {
    for (const [partition, group] of Map.groupBy(deliveries, (delivery) => delivery.partition)) {
      const { identity, firstPosition, count } = group.at(-1)!
      const position = firstPosition + count - 1
      // After a restored backup the queue goes on under a new identity from a position of the old one.
      const { position: expected, identity: expectedIdentity } = this.#positions.get(partition) ?? {}
      if (expected !== undefined && position <= expected) continue
      const batch = this.#spare.pop() ?? new PendingBatch()
      await this.#processor.process(group, expected ?? -1, batch)
      this.#lag = lagOf(batch, this.#options.nowMicros())
      this.#positions.set(partition, { identity, position })
      await this.#settled()
      const moved = { consumer: consumerName, partition, identity, expected, expectedIdentity, position }
      this.#writing = this.#write(batch, moved)
    }
  }

  /** Throws what the last write failed with. */
  async #settled(): Promise<void> {
    await this.#writing
    if (this.#failure) throw this.#failure.error
  }

  async #write(batch: PendingBatch, position: StoreBatch['position']): Promise<void> {
    try {
      const storeBatch = batch.toStoreBatch(position)
      let attempts = 0
      await this.#patiently(() => this.#writeOnce(storeBatch, attempts++ > 0))
      this.#count(batch, position)
      if (batch.live) this.#options.live.stored(batch.live)
      batch.clear()
      this.#spare.push(batch)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** A write that failed may have been stored all the same, when only the answer to its commit was lost. */
  async #writeOnce(batch: StoreBatch, isRepeated: boolean): Promise<void> {
    const { writer } = this.#options
    try {
      await writer.write(batch)
    } catch (error) {
      if (!isRepeated || !isDroverError(error, 'positionConflict')) throw error
      const { consumer, partition, identity, position } = batch.position
      const stored = await writer.position(consumer, partition)
      if (stored?.identity !== identity || stored.position !== position) throw error
    }
  }

  /** Only retention waits for this; after a crash the store's own position counts. */
  #commit(partition: number, position: number): void {
    this.#consumer.commit(partition, position).catch((error) => {
      if (!isDroverError(error, 'shuttingDown')) this.#fail(error)
    })
  }

  #count(batch: PendingBatch, { partition, position }: StoreBatch['position']): void {
    const { metrics } = this
    const nowMicros = this.#options.nowMicros()
    metrics.messages += batch.messages
    metrics.points += batch.numbers.length + batch.texts.length
    metrics.batches++
    metrics.lastBatchMessages = batch.messages
    metrics.positions[partition] = position
    this.#storedNow.resolve()
    this.#storedNow = Promise.withResolvers<void>()
    for (const { atMicros, count } of batch.received)
      observeStored(metrics, Math.max(0, nowMicros - atMicros) / 1000, count)
  }

  /** Ends the loop with the first error. */
  #fail(error: unknown): void {
    this.#failure ??= { error }
    void this.#consumer.close()
  }

  /** Repeats what may succeed later, until it does or the loop is to end. */
  #patiently<T>(operation: () => Promise<T>): Promise<T> {
    const { signal } = this.#closing
    return retry(operation, {
      attemptsMax: Number.POSITIVE_INFINITY,
      firstDelayMs,
      delayMsMax,
      signal,
      retryable: (error) => {
        const repeat = isTransient(error) && !signal.aborted
        if (repeat) this.metrics.retries++
        return repeat
      },
    })
  }

  #patientProfiles(profiles: DeviceProfiles): DeviceProfiles {
    return { load: (uids) => this.#patiently(() => profiles.load(uids)) }
  }

  /** The store answers about what is written, so a write that is under way comes first. */
  #patientStore(writer: StoreWriter): StoredState {
    const ask = async <T>(operation: () => Promise<T>): Promise<T> => {
      await this.#settled()
      return this.#patiently(operation)
    }
    return {
      loadSeries: (uids) => ask(() => writer.loadSeries(uids)),
      loadKeys: (uids) => ask(() => writer.loadKeys(uids)),
      quarantineCounts: (uids) => ask(() => writer.quarantineCounts(uids)),
      reserveSeriesIds: (count) => ask(() => writer.reserveSeriesIds(count)),
    }
  }
}

function sumOf(positions: ProcessingMetrics['positions']): number {
  return Object.values(positions).reduce((sum, position) => sum + position, 0)
}

/** How old the last of a batch is, and how far it is from the first. */
function lagOf({ received }: PendingBatch, nowMicros: number): { lagMs: number; spanMs: number } {
  const [first, last] = [received[0], received.at(-1)]
  if (!first || !last) return { lagMs: 0, spanMs: 0 }
  return { lagMs: (nowMicros - last.atMicros) / 1000, spanMs: (last.atMicros - first.atMicros) / 1000 }
}

const finalCodes = new Set(['positionConflict', 'shuttingDown'])

/** Whether the same may succeed later; not when somebody else has taken over. */
function isTransient(error: unknown): boolean {
  return isDroverError(error) && errorTable[error.code].retryable && !finalCodes.has(error.code)
}
