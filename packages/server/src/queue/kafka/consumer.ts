import { setTimeout as sleep } from 'node:timers/promises'
import { DroverError, errorTable, isDroverError } from '@drover/protocol'
import { Admin, fetchV17, type RecordsBatch } from '@platformatic/kafka'
import type { ConsumeOptions, Consumer, Delivery, StoredPosition } from '../queue.ts'
import { answered, unavailable } from './errors.ts'
import { Membership } from './membership.ts'
import { PartitionReader } from './partition-reader.ts'
import { clientOptions, type KafkaSettings } from './settings.ts'
import type { Topic } from './topic.ts'

/** How long a broker waits for a first record, and what one answer may hold. */
const fetchWaitMs = 500
const fetchBytesMax = 8 << 20
const fetchPartitionBytesMax = 1 << 20
/** Bytes of one delivery; a larger one would come in one transaction only with others left out. */
const deliveryBytesMax = 1 << 20
const retryMs = 300
/** How long a partition is kept so that what was taken of it can be committed: only lag is wrong without. */
const lastCommitMs = 2_000
const sessionless = -1

export interface KafkaConsumerOptions extends ConsumeOptions {
  readonly settings: KafkaSettings
  readonly topic: Topic
  readonly onFailure: (error: unknown) => void
}

/** What is kept of the partition. */
export interface Kept {
  readonly firstPosition: number
  readonly nextPosition: number
}

/** After which position to go on. Throws `identityMismatch`, `corruptData`. */
export function startAfter(stored: StoredPosition, topic: Topic, partition: number, kept: Kept): number {
  const { identity, position } = stored
  if (identity !== topic.id)
    throw new DroverError('identityMismatch', { store: 'consumer', expected: identity, actual: topic.id })
  if (position + 1 >= kept.firstPosition && position < kept.nextPosition) return position
  const reason = `partition ${partition} goes on after position ${position}, but the topic keeps ${kept.firstPosition} to ${kept.nextPosition - 1}`
  throw new DroverError('corruptData', { what: `The Kafka topic ${topic.name}`, reason })
}

/** Reads the partitions that the group assigns, each from the stored position on, and reconnects by itself. */
export class KafkaConsumer implements Consumer {
  readonly #options: KafkaConsumerOptions
  readonly #client: Admin
  /** A broker answers the requests of one connection in order: what waits for records has one of its own. */
  readonly #fetchClient: Admin
  readonly #membership: Membership
  readonly #readers = new Map<number, PartitionReader>()
  /** Of partitions that are being lost: what was taken of them may still be committed. */
  readonly #leaving = new Map<number, PartitionReader>()
  /** Partitions that are assigned, and not read yet: the number of the assignment, by partition. */
  readonly #gained = new Map<number, number>()
  readonly #buffered: Delivery[] = []
  readonly #fetching = new Set<number>()
  /** Offsets that are to be committed, and who waits for it. */
  #toCommit = new Map<number, number>()
  #committing: Promise<void> | undefined
  readonly #closing = new AbortController()
  #closed = false
  #bufferedBytes = 0
  #assignments = 0
  #failure: { readonly error: unknown } | undefined
  #wake = Promise.withResolvers<void>()

  constructor(options: KafkaConsumerOptions) {
    this.#options = options
    this.#client = new Admin(clientOptions(options.settings))
    this.#fetchClient = new Admin(clientOptions(options.settings))
    const { topic, onFailure } = options
    this.#membership = new Membership({
      admin: this.#client,
      group: groupOf(topic.name, options.consumer),
      topic,
      onFailure,
      onGained: (partitions) => {
        for (const partition of partitions) void this.#gain(partition)
      },
      onLost: (partitions) => this.#lose(partitions),
    })
  }

  join(): Promise<void> {
    return this.#membership.join()
  }

  async next(): Promise<readonly Delivery[]> {
    for (;;) {
      if (this.#closing.signal.aborted) return []
      if (this.#failure) throw this.#failure.error
      const taken = this.#take()
      if (taken.length > 0) return taken
      await this.#wake.promise
    }
  }

  async commit(partition: number, position: number): Promise<void> {
    const reader = this.#readers.get(partition) ?? this.#leaving.get(partition)
    if (reader && position > reader.nextOffset)
      throw new RangeError(`Position ${position} was not delivered yet`)
    if (this.#closed) throw new DroverError('shuttingDown')
    // Whoever owns the partition now knows better.
    if (!reader) return
    this.#toCommit.set(partition, Math.max(position, this.#toCommit.get(partition) ?? 0))
    this.#committing ??= this.#flushCommits()
    await this.#committing
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    this.#notify()
    await this.#membership.close()
    this.#closed = true
    await this.#committing
    await Promise.allSettled([this.#client.close(), this.#fetchClient.close()])
  }

  #take(): Delivery[] {
    let count = 0
    let bytes = 0
    for (const delivery of this.#buffered) {
      bytes += delivery.bytes.length
      if (count > 0 && bytes > this.#options.nextBytesMax) break
      count++
    }
    const taken = this.#buffered.splice(0, count)
    for (const delivery of taken) this.#bufferedBytes -= delivery.bytes.length
    if (count > 0) void this.#pump()
    return taken
  }

  /** Asks for the stored position until it is known, or the partition is lost again. */
  async #gain(partition: number): Promise<void> {
    const assignment = ++this.#assignments
    this.#gained.set(partition, assignment)
    const isCurrent = () =>
      this.#gained.get(partition) === assignment && !this.#closing.signal.aborted && !this.#failure
    while (isCurrent()) {
      try {
        const position = await this.#startOf(partition)
        if (!isCurrent()) return
        this.#gained.delete(partition)
        const { topic, nextBytesMax } = this.#options
        const size = Math.min(deliveryBytesMax, nextBytesMax)
        this.#readers.set(partition, new PartitionReader(partition, topic.id, position, size))
        void this.#pump()
      } catch (error) {
        if (isDroverError(error) && !errorTable[error.code].retryable) return this.#fail(error)
        this.#options.onFailure(error)
        await sleep(retryMs)
      }
    }
  }

  async #startOf(partition: number): Promise<number> {
    const { after, topic } = this.#options
    const stored = await after(partition)
    const kept = (await keptOf(this.#client, topic, [partition])).get(partition)!
    return stored ? startAfter(stored, topic, partition, kept) : kept.firstPosition - 1
  }

  async #lose(partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) {
      this.#gained.delete(partition)
      const reader = this.#readers.get(partition)
      if (reader) this.#leaving.set(partition, reader)
      this.#readers.delete(partition)
    }
    const kept = this.#buffered.filter(({ partition }) => !partitions.includes(partition))
    this.#buffered.splice(0, this.#buffered.length, ...kept)
    this.#bufferedBytes = kept.reduce((sum, { bytes }) => sum + bytes.length, 0)
    try {
      await this.#options.onLost?.(partitions)
      await Promise.race([this.#committing, sleep(lastCommitMs, undefined, { ref: false })])
    } finally {
      for (const partition of partitions) this.#leaving.delete(partition)
    }
  }

  /** Starts a fetch at each broker that leads partitions of this consumer and is not asked already. */
  async #pump(): Promise<void> {
    const { topic, nextBytesMax } = this.#options
    if (this.#closing.signal.aborted || this.#bufferedBytes > 2 * nextBytesMax) return
    try {
      const { topics, brokers } = await this.#fetchClient.metadata({ topics: [topic.name] })
      const { partitions } = topics.get(topic.name)!
      const readers = [...this.#readers.values()]
      for (const [leader, own] of Map.groupBy(readers, ({ partition }) => partitions[partition]!.leader)) {
        const broker = brokers.get(leader)
        if (!broker || this.#fetching.has(leader)) continue
        this.#fetching.add(leader)
        void this.#fetch(broker, own).finally(() => {
          this.#fetching.delete(leader)
          void this.#pump()
        })
      }
    } catch (error) {
      if (await this.#pause(error)) void this.#pump()
    }
  }

  /** Never rejects. */
  async #fetch(broker: { host: string; port: number }, readers: readonly PartitionReader[]): Promise<void> {
    const partitions = readers.map(({ partition, nextOffset }) => ({
      partition,
      currentLeaderEpoch: -1,
      fetchOffset: BigInt(nextOffset),
      lastFetchedEpoch: -1,
      partitionMaxBytes: fetchPartitionBytesMax,
    }))
    const topics = [{ topicId: this.#options.topic.id, partitions }]
    try {
      const connection = await this.#fetchClient.connections.get(broker)
      const { async: ask } = fetchV17.api
      const answer = await ask(connection, fetchWaitMs, 1, fetchBytesMax, 0, 0, sessionless, topics, [], '')
      const byPartition = new Map(readers.map((reader) => [reader.partition, reader]))
      for (const response of answer.responses.flatMap(({ partitions }) => partitions)) {
        const reader = byPartition.get(response.partitionIndex)!
        // A partition that was lost meanwhile, or came back, is read by nobody or by another one.
        if (this.#readers.get(reader.partition) === reader) this.#buffer(this.#read(reader, response.records))
      }
    } catch (error) {
      if (answered(error, 'OFFSET_OUT_OF_RANGE')) return this.#fail(this.#gone(error))
      this.#fetchClient.clearMetadata()
      await this.#pause(error)
    }
  }

  #read(reader: PartitionReader, records: readonly RecordsBatch[] = []): Delivery[] {
    const { foreign } = reader
    const deliveries = reader.take(records)
    const passedOver = reader.foreign - foreign
    if (passedOver > 0)
      this.#options.onFailure(new Error(`${passedOver} records of the topic are not Drover's: passed over`))
    return deliveries
  }

  #gone(error: unknown): DroverError {
    const what = `The Kafka topic ${this.#options.topic.name}`
    return new DroverError(
      'corruptData',
      { what, reason: 'its retention has removed what was not stored' },
      error,
    )
  }

  #buffer(deliveries: readonly Delivery[]): void {
    if (deliveries.length === 0) return
    for (const delivery of deliveries) {
      this.#buffered.push(delivery)
      this.#bufferedBytes += delivery.bytes.length
    }
    this.#notify()
  }

  /** Answers whether to go on. */
  async #pause(error: unknown): Promise<boolean> {
    const { signal } = this.#closing
    if (signal.aborted) return false
    this.#options.onFailure(unavailable(error))
    await sleep(retryMs, undefined, { signal }).catch(() => {})
    return !signal.aborted
  }

  /** One request at a time, each with the latest of all partitions; repeated until it is through. */
  async #flushCommits(): Promise<void> {
    // Those of one turn of the loop go together.
    await Promise.resolve()
    while (this.#toCommit.size > 0) {
      const offsets = this.#toCommit
      this.#toCommit = new Map()
      try {
        await this.#membership.commit(offsets)
      } catch (error) {
        for (const [partition, offset] of offsets)
          if (this.#readers.has(partition) || this.#leaving.has(partition))
            this.#toCommit.set(partition, Math.max(offset, this.#toCommit.get(partition) ?? 0))
        if (!(await this.#pause(error))) break
      }
    }
    this.#committing = undefined
  }

  #fail(error: unknown): void {
    this.#failure ??= { error }
    this.#notify()
  }

  #notify(): void {
    this.#wake.resolve()
    this.#wake = Promise.withResolvers()
  }
}

export function groupOf(topic: string, consumer: string): string {
  return `${topic}.${consumer}`
}

/** What the topic keeps of these partitions. */
export async function keptOf(
  client: Admin,
  { name }: Topic,
  partitions: readonly number[],
): Promise<Map<number, Kept>> {
  const at = (timestamp: bigint) => {
    const asked = partitions.map((partitionIndex) => ({ partitionIndex, timestamp }))
    return client.listOffsets({ topics: [{ name, partitions: asked }] })
  }
  const [[first], [next]] = await Promise.all([at(-2n), at(-1n)])
  const ends = new Map(next!.partitions.map(({ partitionIndex, offset }) => [partitionIndex, offset]))
  return new Map(
    first!.partitions.map(({ partitionIndex, offset }) => [
      partitionIndex,
      { firstPosition: Number(offset) + 1, nextPosition: Number(ends.get(partitionIndex)!) + 1 },
    ]),
  )
}
