import { DroverError } from '@drover/protocol'
import { type MessageToProduce, ProduceAcks, Producer } from '@platformatic/kafka'
import { RecordCursor, type SealedBatch } from '../batch.ts'
import { partitionOf } from '../partition.ts'
import type { Appended } from '../queue.ts'
import { unavailable } from './errors.ts'
import { recordBytes, toMessage } from './record.ts'
import { clientOptions, type KafkaSettings } from './settings.ts'
import { recordBatchBytesMax, type Topic } from './topic.ts'

/** Bytes of one request; of one partition, a request holds one record batch. */
const requestBytesMax = 8 << 20
/** Bytes of batches that may wait for their turn. */
const waitingBytesMax = 64 << 20

interface Waiting {
  readonly cursor: RecordCursor
  readonly bytes: number
  readonly appended: PromiseWithResolvers<Appended>
  /** Where the batch's first record went, once it is known. */
  first: Appended | undefined
  /** Whether the cursor stands on a record that did not fit into the last request. */
  isHeld: boolean
}

interface Request {
  readonly messages: MessageToProduce[]
  /** Batches that begin in this request: the partition of the first record, and its place in the record batch. */
  readonly begun: { readonly waiting: Waiting; readonly partition: number; readonly index: number }[]
  /** How many of the waiting batches end in this request. */
  ended: number
}

/**
 * Produces with acks=all, one request at a time, so that the records of a device keep their order; what arrives meanwhile is the
 * next request. A request that fails takes all with it that waits behind it: whoever tries again does so in the old order.
 */
export class BatchProducer {
  readonly #settings: KafkaSettings
  readonly #topic: Topic
  readonly #waiting: Waiting[] = []
  #waitingBytes = 0
  #producer: Producer | undefined
  #sending: Promise<void> | undefined
  #closed = false

  constructor(settings: KafkaSettings, topic: Topic) {
    this.#settings = settings
    this.#topic = topic
  }

  append({ bytes }: SealedBatch): Promise<Appended> {
    if (this.#closed) throw new DroverError('shuttingDown')
    if (this.#waitingBytes + bytes.length > waitingBytesMax)
      throw new DroverError('queueFull', { limit: waitingBytesMax })
    const appended = Promise.withResolvers<Appended>()
    const cursor = new RecordCursor(bytes)
    this.#waiting.push({ cursor, bytes: bytes.length, appended, first: undefined, isHeld: false })
    this.#waitingBytes += bytes.length
    // What is appended in the same turn of the loop goes along.
    this.#sending ??= Promise.resolve().then(() => this.#send())
    return appended.promise
  }

  /** Answers once all that was appended is answered. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#sending
    await closed(this.#producer)
  }

  async #send(): Promise<void> {
    while (this.#waiting.length > 0) {
      try {
        await this.#sendOne()
      } catch (error) {
        this.#giveUp(error)
      }
    }
    this.#sending = undefined
  }

  async #sendOne(): Promise<void> {
    const { messages, begun, ended } = fill(this.#waiting, this.#topic)
    const { offsets } = await this.#open().send({ messages, acks: ProduceAcks.ALL })
    const bases = new Map(offsets!.map(({ partition, offset }) => [partition, Number(offset)]))
    for (const { waiting, partition, index } of begun)
      waiting.first = { partition, firstPosition: bases.get(partition)! + index + 1 }
    for (const { bytes, appended, first } of this.#waiting.splice(0, ended)) {
      this.#waitingBytes -= bytes
      appended.resolve(first!)
    }
  }

  /**
   * A new producer each time: after a failure it is not known which sequence numbers the broker has seen, and it would take a
   * new batch under an old number for a repeated one, and drop it.
   */
  #giveUp(error: unknown): void {
    const refused = unavailable(error)
    void closed(this.#producer)
    this.#producer = undefined
    this.#waitingBytes = 0
    for (const { appended } of this.#waiting.splice(0)) appended.reject(refused)
  }

  #open(): Producer {
    this.#producer ??= new Producer({
      ...clientOptions(this.#settings),
      idempotent: true,
      // A stale leader is tried again by `retries`.
      repeatOnStaleMetadata: true,
    })
    return this.#producer
  }
}

/** Cuts its connections, whatever is on its way. */
async function closed(producer: Producer | undefined): Promise<void> {
  await new Promise<void>((resolve) => (producer ? producer.close(true, () => resolve()) : resolve()))
}

/** The next request, out of as many of the waiting batches as fit. */
function fill(waiting: readonly Waiting[], { name, partitions }: Topic): Request {
  const request: Request = { messages: [], begun: [], ended: 0 }
  const counts = new Array<number>(partitions).fill(0)
  const sizes = new Array<number>(partitions).fill(0)
  let total = 0
  for (const each of waiting) {
    const { cursor } = each
    while (each.isHeld || cursor.next()) {
      const partition = partitionOf(cursor.deviceUid, partitions)
      const bytes = recordBytes(cursor)
      const fits = total + bytes <= requestBytesMax && sizes[partition]! + bytes <= recordBatchBytesMax
      each.isHeld = !fits
      if (!fits) return request
      if (cursor.index === 0) request.begun.push({ waiting: each, partition, index: counts[partition]! })
      request.messages.push(toMessage(cursor, name, partition))
      total += bytes
      sizes[partition]! += bytes
      counts[partition]!++
    }
    request.ended++
  }
  return request
}
