import { setTimeout as sleep } from 'node:timers/promises'
import { DroverError } from '@drover/protocol'
import type { AsyncMessage, Channel } from 'rabbitmq-client'
import { lastReceivedAt, RecordCursor } from '../batch.ts'
import type { ConsumeOptions, Delivery } from '../queue.ts'
import type { Broker } from './broker.ts'

/** There are no positions in the broker: those in a store belong to the kind of queue. */
export const identity = 'rabbitmq'
const retryMs = 200
const releaseTimeoutMs = 5_000

interface Message {
  readonly id: string
  readonly bytes: Uint8Array
  readonly count: number
  /** Of its last record; 0 until it is handed on. */
  position: number
  isStored: boolean
}

interface Unacknowledged {
  readonly tag: number
  readonly message: Message
}

interface Subscribed {
  /** Resolves at the end of the channel. */
  readonly lost: Promise<void>
}

export interface SubscriptionOptions {
  readonly broker: Broker
  readonly partition: number
  readonly after: ConsumeOptions['after']
  /** There may be something to take. */
  readonly wake: () => void
}

/**
 * One partition as this consumer sees it: what the broker has sent, what was handed on, and what is stored. When the
 * connection is lost it subscribes again; what was not acknowledged comes again then. A message that is handed on already is not
 * handed on twice.
 */
export class Subscription {
  readonly #options: SubscriptionOptions
  readonly #closing = new AbortController()
  #channel: Channel | undefined
  /** Of this channel, in the order of their tags. */
  #unacknowledged: Unacknowledged[] = []
  #waiting: Message[] = []
  /** Not stored yet, by id: handed on, in the order of their positions, and then waiting. */
  readonly #known = new Map<string, Message>()
  /** Stored after the channel was lost on which they came, so that they will come again. */
  readonly #storedLate = new Set<string>()
  #position = 0
  /** Whether somebody else may have moved the position since something was handed on. */
  #isNew = true

  constructor(options: SubscriptionOptions) {
    this.#options = options
  }

  /** Resolves when the broker has accepted the subscription for the first time. */
  async start(): Promise<void> {
    const { lost } = await this.#subscribe()
    void this.#stay(lost)
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0
  }

  /** At most so many bytes, or one delivery. Rejects with `identityMismatch` and as `after` does. */
  async take(bytesMax: number): Promise<Delivery[]> {
    if (this.#isNew && !(await this.#goOn())) return []
    let bytes = 0
    const taken: Delivery[] = []
    for (const message of this.#waiting) {
      bytes += message.bytes.length
      if (taken.length > 0 && bytes > bytesMax) break
      taken.push(this.#hand(message))
    }
    this.#waiting.splice(0, taken.length)
    return taken
  }

  commit(position: number): void {
    if (position > this.#position) throw new RangeError(`Position ${position} was not delivered yet`)
    const current = new Set(this.#unacknowledged.map(({ message }) => message))
    for (const message of this.#known.values()) {
      if (message.position === 0 || message.position > position) break
      this.#known.delete(message.id)
      message.isStored = true
      if (!current.has(message)) this.#storedLate.add(message.id)
    }
    this.#acknowledge()
    this.#leaveWhenDone()
  }

  /**
   * Hands nothing on any more, and leaves the partition to others as soon as what was handed on is stored: until then they
   * would store it a second time, and take the position away. It does not wait for longer than `releaseTimeoutMs`.
   */
  release(): void {
    this.#closing.abort()
    this.#forgetWaiting()
    this.#leaveWhenDone()
    setTimeout(() => void this.close(), releaseTimeoutMs).unref()
  }

  /** Leaves at once; what is not acknowledged goes to others. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#channel?.close()
  }

  #hand(message: Message): Delivery {
    const { partition } = this.#options
    const { bytes, count } = message
    const firstPosition = this.#position + 1
    this.#position += count
    message.position = this.#position
    const firstVersion = lastReceivedAt(bytes) - count + 1
    return { partition, identity, firstPosition, firstVersion, bytes, count }
  }

  /** Takes the position up where the last owner of the partition has left it. Answers whether the channel is still the same. */
  async #goOn(): Promise<boolean> {
    const channel = this.#channel
    const { partition, after } = this.#options
    const stored = await after(partition)
    assertIdentity(stored?.identity)
    if (channel !== this.#channel || this.#closing.signal.aborted) return false
    this.#position = Math.max(stored?.position ?? 0, this.#position)
    this.#isNew = false
    return true
  }

  async #stay(first: Promise<void>): Promise<void> {
    await first
    this.#forgetChannel()
    while (!this.#closing.signal.aborted) {
      try {
        const { lost } = await this.#again()
        await lost
      } catch {
        await sleep(retryMs)
      }
      this.#forgetChannel()
    }
  }

  /** What was deleted meanwhile is made anew. */
  async #again(): Promise<Subscribed> {
    await this.#options.broker.declare()
    return this.#subscribe()
  }

  async #subscribe(): Promise<Subscribed> {
    const { broker, partition } = this.#options
    const channel = await broker.connection.acquire({ emitErrorsFromChannel: true })
    const { promise: lost, resolve } = Promise.withResolvers<void>()
    channel.on('error', () => {})
    channel.once('close', resolve)
    // The queue was deleted, or its leader has moved.
    channel.once('basic.cancel', () => void channel.close())
    this.#channel = channel
    if (this.#closing.signal.aborted) await channel.close()
    await channel.basicQos({ prefetchCount: broker.settings.prefetch })
    await channel.basicConsume({ queue: broker.queueName(partition) }, (message) =>
      this.#receive(channel, message),
    )
    return { lost }
  }

  #forgetChannel(): void {
    this.#channel = undefined
    this.#unacknowledged = []
    this.#forgetWaiting()
    this.#isNew = true
  }

  #forgetWaiting(): void {
    for (const { id } of this.#waiting) this.#known.delete(id)
    this.#waiting = []
  }

  #receive(channel: Channel, { body, deliveryTag: tag, messageId: id, redelivered }: AsyncMessage): void {
    if (channel !== this.#channel) return
    const bytes = batchIn(body)
    // It would stop everything behind it; a dead letter can be looked at.
    if (!bytes || !id) {
      channel.basicNack({ deliveryTag: tag, requeue: false })
      return
    }
    // What comes again comes first.
    if (!redelivered) this.#storedLate.clear()
    const known = this.#known.get(id)
    const message = known ?? this.#messageOf(id, bytes)
    this.#unacknowledged.push({ tag, message })
    if (message.isStored) this.#acknowledge()
    else if (!known && !this.#closing.signal.aborted) {
      this.#known.set(id, message)
      this.#waiting.push(message)
      this.#options.wake()
    }
  }

  #messageOf(id: string, bytes: Uint8Array): Message {
    const { count } = new RecordCursor(bytes)
    return { id, bytes, count, position: 0, isStored: this.#storedLate.has(id) }
  }

  /** All that is stored from the first on. */
  #acknowledge(): void {
    const firstOther = this.#unacknowledged.findIndex(({ message }) => !message.isStored)
    const count = firstOther < 0 ? this.#unacknowledged.length : firstOther
    const last = this.#unacknowledged.splice(0, count).at(-1)
    if (last && this.#channel?.active) this.#channel.basicAck({ deliveryTag: last.tag, multiple: true })
  }

  #leaveWhenDone(): void {
    if (this.#closing.signal.aborted && this.#known.size === 0) void this.#channel?.close()
  }
}

/** Throws `identityMismatch` when a stored position is of another kind of queue. */
export function assertIdentity(stored: string | undefined): void {
  if (stored !== undefined && stored !== identity)
    throw new DroverError('identityMismatch', { store: 'store', expected: stored, actual: identity })
}

/** The bytes of a whole batch, or undefined when they are none. */
function batchIn(body: unknown): Uint8Array | undefined {
  if (!Buffer.isBuffer(body)) return undefined
  try {
    const cursor = new RecordCursor(body)
    for (let count = 0; count < cursor.count; count++) if (!cursor.next()) return undefined
    return body
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}
