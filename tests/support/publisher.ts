import { connect as connectTcp, type Socket } from 'node:net'

/**
 * A fast MQTT 3.1.1 publisher for load and fault tests: it writes many PUBLISH packets at a time into one buffer, keeps
 * `window` of them unacknowledged, and tells which were acknowledged. It does nothing else of MQTT.
 */
export interface PublisherOptions {
  /** `mqtt://127.0.0.1:PORT`. */
  readonly url: string
  readonly device: string
  readonly token: string
  readonly topic?: string
  readonly clientId?: string
  /** Packets sent and not yet acknowledged, at most 65,535. */
  readonly window: number
  /** QoS 1 (default), or 0: then everything written counts as acknowledged. */
  readonly qos?: 0 | 1
  /** The payload of message `sequence` (0, 1, 2 …), or undefined when there is no more for now; then call `wake` later. */
  readonly next: (sequence: number) => Uint8Array | undefined
  /** At each PUBACK; `sentAtMs` is of `performance.now()`. */
  readonly onAcknowledged?: (sequence: number, sentAtMs: number) => void
}

export interface Publisher {
  readonly sent: number
  readonly acknowledged: number
  /** Resolves when the connection has ended, whoever ended it; with the error, if there was one. */
  readonly closed: Promise<Error | undefined>
  /** Resolves when everything sent so far is acknowledged and `next` had no more; rejects when the connection ends before. */
  drained(): Promise<void>
  /** Asks `next` again. */
  wake(): void
  /** Sends no more, waits for what is in flight, disconnects. */
  end(): Promise<void>
  /** Cuts the connection. */
  destroy(): void
}

const connack = 0x20
const puback = 0x40
const batchBytesMax = 262_144
const chunkBytes = 4_194_304
const packetIds = 65_535

/** Connects; rejects when the server refuses or goes away before CONNACK. */
export async function openPublisher(options: PublisherOptions): Promise<Publisher> {
  const { hostname, port } = new URL(options.url)
  const socket = connectTcp({ host: hostname, port: Number(port), noDelay: true })
  const publisher = new RawPublisher(socket, options)
  socket.write(connectPacket(options))
  await publisher.connected
  return publisher
}

class RawPublisher implements Publisher {
  readonly #socket: Socket
  readonly #options: PublisherOptions
  readonly #topic: Buffer
  readonly #sequences = new Float64Array(packetIds + 1)
  readonly #sentAt = new Float64Array(packetIds + 1)
  readonly #inFlightIds = new Uint8Array(packetIds + 1)
  readonly connected: Promise<void>
  readonly closed: Promise<Error | undefined>
  #rest: Buffer = Buffer.alloc(0)
  /** Packets are written into `#buffer` from `#start` on; the socket still reads what lies before. */
  #buffer = Buffer.allocUnsafe(chunkBytes)
  #start = 0
  #ending = false
  #exhausted = false
  #blocked = false
  #drainWaiters: { resolve(): void; reject(error: Error): void }[] = []
  #onConnack: ((code: number) => void) | undefined
  sent = 0
  acknowledged = 0

  constructor(socket: Socket, options: PublisherOptions) {
    this.#socket = socket
    this.#options = options
    this.#topic = Buffer.from(options.topic ?? 'me/telemetry')
    let failure: Error | undefined
    this.closed = new Promise((resolve) => {
      socket.on('error', (error) => {
        failure = error
      })
      socket.on('close', () => {
        resolve(failure)
        this.#closedNow(failure)
      })
    })
    this.connected = new Promise((resolve, reject) => {
      this.#onConnack = (code) =>
        code === 0 ? resolve() : reject(new Error(`The server refused the connection with code ${code}.`))
      void this.closed.then((error) =>
        reject(error ?? new Error('The connection was closed before CONNACK.')),
      )
    })
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('drain', () => {
      this.#blocked = false
      this.#fill()
    })
  }

  wake(): void {
    this.#exhausted = false
    this.#fill()
  }

  async drained(): Promise<void> {
    if (this.#exhausted && this.sent === this.acknowledged) return
    await new Promise<void>((resolve, reject) => this.#drainWaiters.push({ resolve, reject }))
  }

  async end(): Promise<void> {
    this.#ending = true
    this.#exhausted = true
    await this.drained()
    this.#socket.end(Buffer.from([0xe0, 0]))
    await this.closed
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #closedNow(error: Error | undefined): void {
    const waiters = this.#drainWaiters
    this.#drainWaiters = []
    for (const waiter of waiters)
      waiter.reject(error ?? new Error('The connection was closed with messages in flight.'))
  }

  /** Everything the server sends us is short: CONNACK and PUBACK, 4 bytes each. */
  #read(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    while (at + 2 <= bytes.length && at + 2 + bytes[at + 1]! <= bytes.length) {
      const kind = bytes[at]!
      if (kind === puback) this.#acknowledge(bytes.readUInt16BE(at + 2))
      else if (kind === connack) this.#onConnack?.(bytes[at + 3]!)
      at += 2 + bytes[at + 1]!
    }
    this.#rest = bytes.subarray(at)
    this.#fill()
  }

  #acknowledge(id: number): void {
    if (this.#inFlightIds[id] === 0) throw new Error(`PUBACK for packet ${id}, which is not in flight.`)
    this.#inFlightIds[id] = 0
    this.acknowledged++
    this.#options.onAcknowledged?.(this.#sequences[id]!, this.#sentAt[id]!)
  }

  #fill(): void {
    while (this.#writeSome());
    if (this.#exhausted && this.sent === this.acknowledged) this.#tellDrained()
  }

  #tellDrained(): void {
    const waiters = this.#drainWaiters
    this.#drainWaiters = []
    for (const waiter of waiters) waiter.resolve()
  }

  /** One buffer of packets; false when the window, the socket or `next` says stop. */
  #writeSome(): boolean {
    if (this.#exhausted || this.#ending || this.#blocked || this.#socket.destroyed) return false
    const now = performance.now()
    let end = this.#start
    while (end - this.#start < batchBytesMax && this.sent - this.acknowledged < this.#options.window) {
      const payload = this.#options.next(this.sent)
      if (payload === undefined) {
        this.#exhausted = true
        break
      }
      end = this.#frame(payload, end, now)
    }
    return this.#write(end)
  }

  /** Whether more may be written at once. */
  #write(end: number): boolean {
    const length = end - this.#start
    if (length === 0) return false
    this.#blocked = !this.#socket.write(this.#buffer.subarray(this.#start, end))
    this.#start = end
    return length >= batchBytesMax
  }

  #frame(payload: Uint8Array, from: number, now: number): number {
    const acknowledgedLater = this.#options.qos !== 0
    const remaining = 2 + this.#topic.length + (acknowledgedLater ? 2 : 0) + payload.length
    const start = this.#reserve(from, remaining + 5)
    const buffer = this.#buffer
    buffer[start] = acknowledgedLater ? 0x32 : 0x30
    let at = writeLength(buffer, start + 1, remaining)
    at = buffer.writeUInt16BE(this.#topic.length, at)
    buffer.set(this.#topic, at)
    at += this.#topic.length
    if (acknowledgedLater) at = this.#claimId(buffer, at, now)
    buffer.set(payload, at)
    this.sent++
    if (!acknowledgedLater) this.acknowledged++
    return at + payload.length
  }

  /** Where `bytes` more fit after `end`: there, or behind what is not written yet in a new buffer. */
  #reserve(end: number, bytes: number): number {
    if (end + bytes <= this.#buffer.length) return end
    const unwritten = this.#buffer.subarray(this.#start, end)
    this.#buffer = Buffer.allocUnsafe(Math.max(chunkBytes, unwritten.length + bytes))
    unwritten.copy(this.#buffer)
    this.#start = 0
    return unwritten.length
  }

  #claimId(buffer: Buffer, at: number, now: number): number {
    const id = (this.sent % packetIds) + 1
    this.#inFlightIds[id] = 1
    this.#sequences[id] = this.sent
    this.#sentAt[id] = now
    return buffer.writeUInt16BE(id, at)
  }
}

/** Remaining Length (MQTT 3.1.1, 2.2.3). */
function writeLength(buffer: Buffer, start: number, length: number): number {
  let at = start
  let rest = length
  do {
    const digit = rest % 128
    rest = Math.floor(rest / 128)
    buffer[at++] = rest > 0 ? digit | 0x80 : digit
  } while (rest > 0)
  return at
}

function connectPacket({ device, token, clientId = device }: PublisherOptions): Buffer {
  const text = (value: string) => {
    const bytes = Buffer.from(value)
    const length = Buffer.alloc(2)
    length.writeUInt16BE(bytes.length)
    return Buffer.concat([length, bytes])
  }
  const keepAliveSeconds = 0
  const body = Buffer.concat([
    text('MQTT'),
    Buffer.from([4, 0b1100_0010, keepAliveSeconds, keepAliveSeconds]),
    text(clientId),
    text(device),
    text(token),
  ])
  const header = Buffer.alloc(5)
  header[0] = 0x10
  return Buffer.concat([header.subarray(0, writeLength(header, 1, body.length)), body])
}
