import { DroverError } from '@drover/protocol'
import { type BufferLimits, MessageBuffer, type Pending } from './buffer.ts'
import { type Connection, type ConnectionEnd, openConnection, reasonOf } from './connection.ts'
import { createStamper, encodeReadings, type Reading, type Time } from './reading.ts'

/** `failed`: the server refused the credentials; nothing is sent any more. */
export type DeviceState = 'connecting' | 'connected' | 'waiting' | 'failed' | 'closed'

export interface DeviceOptions {
  /** `mqtt://host:1883`, `mqtts://host:8883`, `ws://host:8080/mqtt` or `wss://host:8443/mqtt`. */
  readonly url: string
  /** The device's id, and its token `dt_<keyId>_<secret>`. */
  readonly device: string
  readonly token: string
  /** The MQTT client id: one connection each. Default: the device's id. */
  readonly clientId?: string
  /** Default 1: at least once on the way, once in the store. */
  readonly qos?: 0 | 1 | 2
  /** The certificate of the server's own CA in PEM (`GET /ca.pem`), for `mqtts` and `wss`. */
  readonly ca?: string | Buffer
  /** What is kept while it is not acknowledged. Default: 10,000 messages, 16 MiB. */
  readonly buffer?: Partial<BufferLimits>
  /** At a full buffer: refuse the new message (default), or give up the oldest one that was not sent yet. */
  readonly whenFull?: 'refuse' | 'dropOldest'
  /** Messages sent and not yet acknowledged. Default 100. */
  readonly inFlightMax?: number
  readonly keepAliveSeconds?: number
  readonly connectTimeoutMs?: number
  /** The wait before the next try doubles from the first to the second, with jitter. Default 250 ms to 30 s. */
  readonly reconnectMinMs?: number
  readonly reconnectMaxMs?: number
  /** Told at every change, with the reason where there is one. */
  readonly onState?: (state: DeviceState, reason?: Error) => void
  readonly nowMs?: () => number
  readonly random?: () => number
}

/** The program side of one device: publishes readings, across lost connections, each stored once. */
export interface Device {
  readonly state: DeviceState
  /** Messages that are not acknowledged yet. */
  readonly buffered: number
  /**
   * Sends one reading. Resolves when the server has it durably. Rejects with `queueFull` (the buffer is full),
   * `payloadTooLarge`, `badRequest`, `badCredentials` or `forbidden` (refused), `shuttingDown` (closed before).
   */
  publish(values: Reading['values'], options?: { readonly time?: Time }): Promise<void>
  /** Several readings in one message: less to send, and stored or refused together. */
  publishAll(readings: readonly Reading[]): Promise<void>
  /** Resolves when the buffer has room: await it before each publish to send as fast as the server stores. */
  room(): Promise<void>
  /** Sends what is buffered, waits for it at most `timeoutMs` (default 10 s), then disconnects; the rest rejects. */
  close(options?: { readonly timeoutMs?: number }): Promise<void>
}

type Settings = DeviceOptions & Required<Pick<DeviceOptions, keyof typeof defaults>>

const defaults = {
  qos: 1,
  whenFull: 'refuse',
  inFlightMax: 100,
  keepAliveSeconds: 30,
  connectTimeoutMs: 10_000,
  reconnectMinMs: 250,
  reconnectMaxMs: 30_000,
  nowMs: Date.now,
  random: Math.random,
} satisfies Partial<DeviceOptions>
const bufferDefaults: BufferLimits = { messagesMax: 10_000, bytesMax: 16_777_216 }
const closeTimeoutMsDefault = 10_000
/** Reason codes of PUBACK after which the same message may be taken later (quota exceeded, busy). */
const retryableReasons = new Set([0x80, 0x88, 0x89, 0x97])

/** Connects in the background; readings can be published at once. */
export function createDevice(options: DeviceOptions): Device {
  return new BufferingDevice(options)
}

class BufferingDevice implements Device {
  readonly #options: Settings
  readonly #buffer: MessageBuffer
  readonly #stamp: () => number
  #state: DeviceState = 'connecting'
  #connection: Connection | undefined
  #window = 0
  #failures = 0
  #failure: Error | undefined
  #timer: NodeJS.Timeout | undefined
  #closing = false
  #whenEmpty: (() => void) | undefined

  constructor(options: DeviceOptions) {
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
    this.#options = { ...defaults, ...given } as Settings
    this.#buffer = new MessageBuffer({ ...bufferDefaults, ...options.buffer })
    this.#stamp = createStamper(this.#options.nowMs)
    this.#connect()
  }

  get state(): DeviceState {
    return this.#state
  }

  get buffered(): number {
    return this.#buffer.size
  }

  publish(values: Reading['values'], { time }: { readonly time?: Time } = {}): Promise<void> {
    return this.publishAll([time === undefined ? { values } : { values, time }])
  }

  async publishAll(readings: readonly Reading[]): Promise<void> {
    if (this.#failure) throw this.#failure
    if (this.#closing) throw new DroverError('shuttingDown')
    if (readings.length === 0) return
    const payload = encodeReadings(readings, this.#stamp)
    if (this.#options.whenFull === 'dropOldest') this.#makeRoom(payload.length)
    await new Promise<void>((resolve, reject) => {
      this.#buffer.add({ payload, resolve, reject })
      this.#pump()
    })
  }

  room(): Promise<void> {
    return this.#failure ? Promise.resolve() : this.#buffer.room()
  }

  async close({ timeoutMs = closeTimeoutMsDefault }: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closing = true
    if (this.#buffer.size > 0 && !this.#failure) await this.#emptied(timeoutMs)
    clearTimeout(this.#timer)
    this.#buffer.rejectAll(new DroverError('shuttingDown'))
    const connection = this.#connection
    this.#connection = undefined
    await connection?.close()
    this.#enter('closed')
  }

  #connect(): void {
    const { url, device, token, qos, ca, keepAliveSeconds, connectTimeoutMs } = this.#options
    this.#enter('connecting')
    const clientId = this.#options.clientId ?? device
    this.#connection = openConnection(
      { url, device, token, clientId, topic: 'me/telemetry', qos, ca, keepAliveSeconds, connectTimeoutMs },
      { opened: (receiveMaximum) => this.#opened(receiveMaximum), closed: (end) => this.#lost(end) },
    )
  }

  #opened(receiveMaximum: number): void {
    this.#failures = 0
    this.#window = Math.min(this.#options.inFlightMax, receiveMaximum)
    this.#enter('connected')
    this.#pump()
  }

  #lost(end: ConnectionEnd): void {
    this.#window = 0
    if (this.#connection === undefined) return
    this.#connection = undefined
    this.#buffer.returnInFlight()
    if (end.kind === 'refused') {
      this.#fail(end.error!)
      return
    }
    this.#enter('waiting', end.error)
    this.#timer = setTimeout(() => this.#connect(), this.#delayMs(end))
  }

  #fail(error: Error): void {
    this.#failure = error
    this.#enter('failed', error)
    this.#buffer.rejectAll(error)
    this.#whenEmpty?.()
  }

  #delayMs({ kind }: ConnectionEnd): number {
    const { reconnectMinMs, reconnectMaxMs, random } = this.#options
    if (kind === 'takenOver') return reconnectMaxMs
    const longest = Math.min(reconnectMaxMs, reconnectMinMs * 2 ** Math.min(this.#failures++, 30))
    return longest * (0.5 + random() / 2)
  }

  #pump(): void {
    while (this.#connection && this.#buffer.inFlight < this.#window) {
      const message = this.#buffer.takeNext()
      if (!message) return
      this.#connection.send(message.payload, (error) => this.#sent(message, error))
    }
  }

  #sent(message: Pending, error: Error | undefined): void {
    if (error && retryableReasons.has(reasonOf(error) ?? 0)) {
      this.#sendAgainLater(message)
      return
    }
    this.#buffer.settle(message)
    if (error) message.reject(new DroverError('badRequest', { reason: error.message }, error))
    else message.resolve()
    if (this.#buffer.size === 0) this.#whenEmpty?.()
    this.#pump()
  }

  /** It keeps its place in the window, so a server that pushes back is not pressed harder. */
  #sendAgainLater(message: Pending): void {
    const connection = this.#connection
    const again = () =>
      this.#connection === connection &&
      connection?.send(message.payload, (error) => this.#sent(message, error))
    setTimeout(again, this.#options.reconnectMinMs).unref()
  }

  #makeRoom(bytes: number): void {
    while (!this.#buffer.hasRoomFor(bytes)) {
      if (!this.#buffer.dropOldest(new DroverError('queueFull', { limit: bytes }))) return
    }
  }

  #emptied(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      this.#whenEmpty = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #enter(state: DeviceState, reason?: Error): void {
    if (this.#state === 'closed') return
    this.#state = state
    this.#options.onState?.(state, reason)
  }
}
