import { DroverError } from '@drover/protocol'
import type { SealedBatch } from './batch.ts'
import type { Appended, ConsumeOptions, Consumer, Queue, QueueStatus } from './queue.ts'
import { Broker } from './rabbitmq/broker.ts'
import { PartitionsConsumer } from './rabbitmq/consumer.ts'
import { Producer } from './rabbitmq/producer.ts'
import { type RabbitmqQueueOptions, rabbitmqSettings } from './rabbitmq/settings.ts'
import { identity } from './rabbitmq/subscription.ts'

/**
 * A queue in RabbitMQ: a quorum queue a partition, each consumed by one at a time. Rejects with `badConfiguration` when the URL,
 * the user or queues that are there already do not fit, with `queueUnavailable` when no broker answers.
 */
export async function openRabbitmqQueue(options: RabbitmqQueueOptions): Promise<Queue> {
  return new RabbitmqQueue(await Broker.connect(rabbitmqSettings(options)))
}

class RabbitmqQueue implements Queue {
  readonly capabilities = { startAtPosition: false, partitions: 'many', retention: 'committed' } as const
  readonly #broker: Broker
  readonly #producer: Producer
  readonly #consumers = new Set<PartitionsConsumer>()
  readonly #inFlight = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  constructor(broker: Broker) {
    this.#broker = broker
    this.#producer = new Producer(broker)
  }

  async append(batch: SealedBatch): Promise<Appended> {
    if (this.#closing) throw new DroverError('shuttingDown')
    const appending = this.#producer.append(batch)
    this.#inFlight.add(appending)
    try {
      return await appending
    } finally {
      this.#inFlight.delete(appending)
    }
  }

  async consume(options: ConsumeOptions): Promise<Consumer> {
    if (this.#closing) throw new DroverError('shuttingDown')
    // What they have not stored, the next one gets.
    for (const consumer of this.#consumers) if (consumer.isClosed) await this.#abandon(consumer)
    const consumer = await PartitionsConsumer.start(this.#broker, options)
    this.#consumers.add(consumer)
    return consumer
  }

  async status(): Promise<QueueStatus> {
    const waiting = await this.#broker.waiting()
    return {
      identity,
      firstPosition: 1,
      nextPosition: 1 + waiting,
      bytes: 0,
      bytesMax: this.#broker.settings.bytesMax,
      committed: {},
      lastReceivedAt: 0,
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#stop()
    return this.#closing
  }

  async #stop(): Promise<void> {
    await Promise.allSettled(this.#inFlight)
    const consumers = [...this.#consumers].map((consumer) => this.#abandon(consumer))
    await Promise.all([...consumers, this.#producer.close(), this.#broker.close()])
  }

  async #abandon(consumer: PartitionsConsumer): Promise<void> {
    this.#consumers.delete(consumer)
    await consumer.abandon()
  }
}
