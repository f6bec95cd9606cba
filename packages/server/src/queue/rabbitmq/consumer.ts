import type { ConsumeOptions, Consumer, Delivery } from '../queue.ts'
import type { Broker } from './broker.ts'
import { assertIdentity, Subscription } from './subscription.ts'

/** All partitions: the broker chooses which of the consumers that ask for a partition gets it. */
export class PartitionsConsumer implements Consumer {
  readonly #subscriptions: readonly Subscription[]
  readonly #nextBytesMax: number
  /** The subscription that is asked first, so that each has its turn. */
  #first = 0
  #woken = Promise.withResolvers<void>()
  #isClosed = false

  private constructor(broker: Broker, { after, nextBytesMax }: ConsumeOptions) {
    const wake = () => this.#woken.resolve()
    this.#nextBytesMax = nextBytesMax
    this.#subscriptions = Array.from(
      { length: broker.settings.partitions },
      (_, partition) => new Subscription({ broker, partition, after, wake }),
    )
  }

  /** Rejects with `identityMismatch`, `badConfiguration`, `queueUnavailable` and as `after` does. */
  static async start(broker: Broker, options: ConsumeOptions): Promise<PartitionsConsumer> {
    for (let partition = 0; partition < broker.settings.partitions; partition++)
      assertIdentity((await options.after(partition))?.identity)
    const consumer = new PartitionsConsumer(broker, options)
    await Promise.all(consumer.#subscriptions.map((subscription) => subscription.start()))
    return consumer
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  async next(): Promise<readonly Delivery[]> {
    while (!this.#isClosed) {
      this.#woken = Promise.withResolvers<void>()
      const taken = await this.#take()
      if (taken.length > 0) return taken
      await this.#woken.promise
    }
    return []
  }

  async commit(partition: number, position: number): Promise<void> {
    this.#subscriptions[partition]!.commit(position)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#woken.resolve()
    for (const subscription of this.#subscriptions) subscription.release()
  }

  /** Leaves what is not committed to others. */
  async abandon(): Promise<void> {
    await this.close()
    await Promise.all(this.#subscriptions.map((subscription) => subscription.close()))
  }

  async #take(): Promise<Delivery[]> {
    const all = this.#subscriptions
    const inTurn = [...all.slice(this.#first), ...all.slice(0, this.#first)]
    this.#first = (this.#first + 1) % all.length
    const taken: Delivery[] = []
    let bytes = 0
    for (const subscription of inTurn) {
      if (!subscription.hasWaiting || (taken.length > 0 && bytes >= this.#nextBytesMax)) continue
      for (const delivery of await subscription.take(this.#nextBytesMax - bytes)) {
        bytes += delivery.bytes.length
        taken.push(delivery)
      }
    }
    return this.#isClosed ? [] : taken
  }
}
