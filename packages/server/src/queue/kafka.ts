import { DroverError } from '@drover/protocol'
import { Admin } from '@platformatic/kafka'
import type { SealedBatch } from './batch.ts'
import { groupOf, KafkaConsumer, keptOf, startAfter } from './kafka/consumer.ts'
import { refusedAtStart, unavailable } from './kafka/errors.ts'
import { BatchProducer } from './kafka/producer.ts'
import { clientOptions, type KafkaOverrides, type KafkaSettings, readSettings } from './kafka/settings.ts'
import { ensureTopic, type Topic } from './kafka/topic.ts'
import type { Appended, ConsumeOptions, Consumer, Queue, QueueStatus } from './queue.ts'

export interface KafkaQueueOptions extends KafkaOverrides {
  /** `kafka://[user:password@]host:port,host:port[/topic][?…]`, see docs/reference/kafka.md. */
  readonly url: string
  /** Something went wrong that is tried again. */
  readonly onFailure?: (error: unknown) => void
  /** A setting of the topic is not safe. */
  readonly onWarning?: (warning: string) => void
}

/** Asks for the time of the latest record. */
const latestTime = -3n

/** The queue in a topic of Kafka. Rejects with `badConfiguration` or `queueUnavailable`. */
export async function openKafkaQueue(options: KafkaQueueOptions): Promise<Queue> {
  const settings = readSettings(options.url, options)
  const admin = new Admin(clientOptions(settings))
  try {
    const topic = await ensureTopic(admin, settings, options.onWarning ?? (() => {}))
    return new KafkaQueue(options, settings, admin, topic)
  } catch (error) {
    await admin.close().catch(() => {})
    throw refusedAtStart(error)
  }
}

class KafkaQueue implements Queue {
  readonly capabilities = {
    startAtPosition: true,
    partitions: 'many',
    retention: 'time',
  } as const
  readonly #options: KafkaQueueOptions
  readonly #settings: KafkaSettings
  readonly #admin: Admin
  readonly #topic: Topic
  readonly #producer: BatchProducer
  readonly #consumers = new Set<Consumer>()
  #closing: Promise<void> | undefined

  constructor(options: KafkaQueueOptions, settings: KafkaSettings, admin: Admin, topic: Topic) {
    this.#options = options
    this.#settings = settings
    this.#admin = admin
    this.#topic = topic
    this.#producer = new BatchProducer(settings, topic)
  }

  async append(batch: SealedBatch): Promise<Appended> {
    return this.#producer.append(batch)
  }

  async consume(options: ConsumeOptions): Promise<Consumer> {
    if (this.#closing) throw new DroverError('shuttingDown')
    const onFailure = this.#options.onFailure ?? (() => {})
    const consumer = new KafkaConsumer({
      ...options,
      settings: this.#settings,
      topic: this.#topic,
      onFailure,
    })
    try {
      await this.#checkPositions(options)
      await consumer.join()
    } catch (error) {
      await consumer.close()
      throw unavailable(error)
    }
    this.#consumers.add(consumer)
    return consumer
  }

  async status(): Promise<QueueStatus> {
    try {
      const [kept, bytes, committed, lastReceivedAt] = await Promise.all([
        keptOf(this.#admin, this.#topic, this.#partitions),
        this.#bytes(),
        this.#committed(),
        this.#lastReceivedAt(),
      ])
      const total = (of: 'firstPosition' | 'nextPosition') =>
        [...kept.values()].reduce((sum, each) => sum + each[of] - 1, 0) + 1
      return {
        identity: this.#topic.id,
        firstPosition: total('firstPosition'),
        nextPosition: total('nextPosition'),
        bytes,
        bytesMax: Number.MAX_SAFE_INTEGER,
        committed,
        lastReceivedAt,
      }
    } catch (error) {
      throw unavailable(error)
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#stop()
    return this.#closing
  }

  get #partitions(): number[] {
    return Array.from({ length: this.#topic.partitions }, (_, partition) => partition)
  }

  async #stop(): Promise<void> {
    await this.#producer.close()
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()))
    await this.#admin.close().catch(() => {})
  }

  /** So that a store of another topic is refused at the start, and not when a partition comes. */
  async #checkPositions({ after }: ConsumeOptions): Promise<void> {
    const kept = await keptOf(this.#admin, this.#topic, this.#partitions)
    for (const partition of this.#partitions) {
      const stored = await after(partition)
      if (stored) startAfter(stored, this.#topic, partition, kept.get(partition)!)
    }
  }

  /** Of the leader's copy, or what is as large. */
  async #bytes(): Promise<number> {
    const topics = [{ name: this.#topic.name, partitions: this.#partitions }]
    const sizes = new Map<number, number>()
    for (const { results } of await this.#admin.describeLogDirs({ topics }))
      for (const { partitionIndex, partitionSize } of results.flatMap(({ topics }) =>
        topics.flatMap(({ partitions }) => partitions),
      ))
        sizes.set(partitionIndex, Math.max(Number(partitionSize), sizes.get(partitionIndex) ?? 0))
    return [...sizes.values()].reduce((sum, size) => sum + size, 0)
  }

  async #committed(): Promise<Record<string, number>> {
    const prefix = groupOf(this.#topic.name, '')
    const ids = [...(await this.#admin.listGroups({ types: ['consumer'] })).keys()].filter((id) =>
      id.startsWith(prefix),
    )
    if (ids.length === 0) return {}
    const groups = await this.#admin.listConsumerGroupOffsets({ groups: ids })
    const committed: Record<string, number> = {}
    for (const { groupId, topics } of groups) {
      const own = topics.filter(({ name }) => name === this.#topic.name)
      const offsets = own.flatMap(({ partitions }) => partitions).map((each) => Number(each.committedOffset))
      if (offsets.length > 0)
        committed[groupId.slice(prefix.length)] = offsets.reduce(
          (sum, offset) => sum + Math.max(0, offset),
          0,
        )
    }
    return committed
  }

  /** The topic keeps milliseconds: the end of the last one. */
  async #lastReceivedAt(): Promise<number> {
    const partitions = this.#partitions.map((partitionIndex) => ({ partitionIndex, timestamp: latestTime }))
    const [listed] = await this.#admin.listOffsets({ topics: [{ name: this.#topic.name, partitions }] })
    const last = Math.max(...listed!.partitions.map(({ timestamp }) => Number(timestamp)))
    return last < 0 ? 0 : last * 1000 + 999
  }
}
