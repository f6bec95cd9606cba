import { setImmediate as nextTurn } from 'node:timers/promises'
import { DroverError } from '@drover/protocol'
import type { Channel } from 'rabbitmq-client'
import type { SealedBatch } from '../batch.ts'
import type { Appended } from '../queue.ts'
import type { Broker } from './broker.ts'
import { toDroverError } from './errors.ts'
import { type BatchPart, splitBatch } from './split.ts'

/** Bytes of one message, so that what a consumer has in its hands is bounded by the number of messages. */
const messageBytesMax = 65_536

interface ConfirmChannel {
  readonly channel: Channel
  /** Ids of messages that the broker had no queue for. */
  readonly returned: Set<string>
}

/** Publishes batches and waits for the broker's confirmations. */
export class Producer {
  readonly #broker: Broker
  #channel: Promise<ConfirmChannel> | undefined

  constructor(broker: Broker) {
    this.#broker = broker
  }

  /** Rejects with `queueFull` or `queueUnavailable`; part of the batch may be in the queue all the same. */
  async append(batch: SealedBatch): Promise<Appended> {
    const { settings } = this.#broker
    this.#broker.assertReady()
    const parts = splitBatch(batch, settings.partitions, messageBytesMax)
    await this.#inTime(this.#publishAll(parts))
    return { partition: parts[0]!.partition, firstPosition: 0 }
  }

  async close(): Promise<void> {
    const opened = await this.#channel?.catch(() => undefined)
    await opened?.channel.close()
  }

  async #publishAll(parts: readonly BatchPart[]): Promise<void> {
    const { channel, returned } = await this.#open()
    const answers = await Promise.allSettled(parts.map((part) => this.#publish(channel, part)))
    // The client tells of a returned message one turn after its confirmation.
    await nextTurn()
    const lost = parts.filter(({ messageId }) => returned.delete(messageId))
    for (const answer of answers) if (answer.status === 'rejected') throw this.#refusal(answer.reason)
    if (lost.length > 0) {
      const queue = this.#broker.queueName(lost[0]!.partition)
      await this.#broker.declare()
      throw new DroverError('queueUnavailable', {
        reason: `RabbitMQ had no queue ${queue}; it was made anew`,
      })
    }
  }

  #publish(channel: Channel, { partition, messageId, bytes }: BatchPart): Promise<void> {
    return channel.basicPublish(
      { routingKey: this.#broker.queueName(partition), mandatory: true, durable: true, messageId },
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    )
  }

  #refusal(error: Error & { code?: string }): DroverError {
    if (error.code === 'NACK')
      return new DroverError('queueFull', { limit: this.#broker.settings.bytesMax }, error)
    return toDroverError(error)
  }

  #open(): Promise<ConfirmChannel> {
    this.#channel ??= this.#acquire().catch((error) => {
      this.#channel = undefined
      throw toDroverError(error)
    })
    return this.#channel
  }

  async #acquire(): Promise<ConfirmChannel> {
    const channel = await this.#broker.connection.acquire({ emitErrorsFromChannel: true })
    const returned = new Set<string>()
    channel.on('error', () => {})
    channel.on('basic.return', ({ messageId }) => returned.add(messageId!))
    channel.once('close', () => {
      this.#channel = undefined
    })
    await channel.confirmSelect()
    return { channel, returned }
  }

  async #inTime(published: Promise<void>): Promise<void> {
    const { confirmTimeoutMs } = this.#broker.settings
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      reject(
        new DroverError('queueUnavailable', {
          reason: `RabbitMQ: no confirmation in ${confirmTimeoutMs} ms`,
        }),
      )
    }, confirmTimeoutMs)
    try {
      await Promise.race([published, late])
    } finally {
      clearTimeout(timer)
    }
  }
}
