import { DroverError } from '@drover/protocol'
import type { Channel, Connection } from 'rabbitmq-client'
import { areSettingsWrong, toDroverError } from './errors.ts'
import type { RabbitmqSettings } from './settings.ts'

const connectTimeoutMs = 10_000
const closeTimeoutMs = 5_000
const heartbeatSeconds = 10
const retryLowMs = 100
const retryHighMs = 5_000
/** The largest that brokers agree to unless told otherwise. */
const frameBytesMax = 131_072

/** The connection to the broker, which comes back by itself, and the queues in it. */
export class Broker {
  readonly settings: RabbitmqSettings
  readonly connection: Connection
  #lastError: unknown

  private constructor(settings: RabbitmqSettings, connection: Connection) {
    this.settings = settings
    this.connection = connection
    connection.on('error', (error) => {
      this.#lastError = error
    })
  }

  /** Rejects with `badConfiguration` or `queueUnavailable` when the broker does not take us. */
  static async connect(settings: RabbitmqSettings): Promise<Broker> {
    const { Connection } = await import('rabbitmq-client')
    const { hosts, username, password, vhost, tls } = settings
    const connection = new Connection({
      hosts: [...hosts],
      username,
      password,
      vhost,
      tls,
      noDelay: true,
      connectionName: 'drover',
      heartbeat: heartbeatSeconds,
      frameMax: frameBytesMax,
      connectionTimeout: connectTimeoutMs,
      acquireTimeout: connectTimeoutMs,
      retryLow: retryLowMs,
      retryHigh: retryHighMs,
    })
    const broker = new Broker(settings, connection)
    try {
      await broker.#connected()
      await broker.declare()
      return broker
    } catch (error) {
      connection.unsafeDestroy()
      throw toDroverError(error)
    }
  }

  /** Throws `queueUnavailable` while there is no connection, or the broker is short of memory or disk. */
  assertReady(): void {
    if (this.connection.ready) return
    const reason = (this.#lastError as Error | undefined)?.message ?? 'the broker accepts nothing now'
    throw new DroverError('queueUnavailable', { reason: `RabbitMQ: ${reason}` }, this.#lastError)
  }

  queueName(partition: number): string {
    return `${this.settings.name}.telemetry.${partition}`
  }

  get deadLetters(): string {
    return `${this.settings.name}.dead`
  }

  /** Makes the queues that are not there. Rejects with `badConfiguration` when there are others of these names. */
  async declare(): Promise<void> {
    const { partitions, deliveries, bytesMax } = this.settings
    await this.#withChannel(async (channel) => {
      await channel.queueDeclare({
        queue: this.deadLetters,
        durable: true,
        arguments: { 'x-queue-type': 'quorum' },
      })
      for (let partition = 0; partition < partitions; partition++)
        await channel.queueDeclare({
          queue: this.queueName(partition),
          durable: true,
          arguments: {
            'x-queue-type': 'quorum',
            'x-single-active-consumer': true,
            'x-delivery-limit': deliveries,
            'x-dead-letter-exchange': '',
            'x-dead-letter-routing-key': this.deadLetters,
            'x-max-length-bytes': Math.ceil(bytesMax / partitions),
            'x-overflow': 'reject-publish',
          },
        })
    })
  }

  /** Messages that wait in the queues of all partitions. */
  async waiting(): Promise<number> {
    this.assertReady()
    return this.#withChannel(async (channel) => {
      let sum = 0
      for (let partition = 0; partition < this.settings.partitions; partition++)
        sum += (await channel.queueDeclare({ queue: this.queueName(partition), passive: true })).messageCount
      return sum
    })
  }

  /** Once all channels are closed. A broker that does not answer is not waited for. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.connection.unsafeDestroy(), closeTimeoutMs)
    await this.connection.close()
    clearTimeout(timer)
  }

  async #withChannel<T>(use: (channel: Channel) => Promise<T>): Promise<T> {
    try {
      const channel = await this.connection.acquire({ emitErrorsFromChannel: true })
      channel.on('error', () => {})
      try {
        return await use(channel)
      } finally {
        await channel.close()
      }
    } catch (error) {
      throw toDroverError(error)
    }
  }

  /** The client tries for ever, also what the broker refuses for ever. */
  async #connected(): Promise<void> {
    const refused = Promise.withResolvers<never>()
    this.connection.on('error', (error) => {
      if (areSettingsWrong(error)) refused.reject(error)
    })
    try {
      await Promise.race([this.connection.onConnect(connectTimeoutMs, true), refused.promise])
    } catch (error) {
      throw this.#lastError ?? error
    }
  }
}
