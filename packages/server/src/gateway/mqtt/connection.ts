import type { MqttGateway } from './gateway.ts'

/** The wire under a connection: a TCP or TLS socket as it is, a WebSocket through a small adapter. */
export interface Transport {
  write(bytes: Uint8Array): unknown
  /** Sends what was written, then closes this direction. */
  end(): unknown
  destroy(): unknown
  pause(): unknown
  resume(): unknown
  /** Bytes that were written and not sent yet. */
  readonly writableLength: number
}

export const states = { awaitingConnect: 0, authenticating: 1, open: 2, closed: 3 } as const
export type State = (typeof states)[keyof typeof states]

/** Why a connection is not read, as bits. */
export const pauses = { authentication: 1, fairness: 2, congestion: 4, inFlight: 8, stopping: 16 } as const

/**
 * How far the first QoS 2 record of a new session is, which makes processing forget the packet ids of an older one:
 * none is needed, it is still to be sent, it is collected, it flies to the queue.
 */
export const resets = { none: 0, pending: 1, collected: 2, flying: 3 } as const
export type Reset = (typeof resets)[keyof typeof resets]

const noTopic = Buffer.alloc(0)

/**
 * What a gateway keeps of one connection. There are thousands that say nothing, so it has no timers, no closures and
 * no buffers of its own, and what few connections need is made when they need it.
 */
export class Connection {
  readonly gateway: MqttGateway
  readonly number: number
  readonly transport: Transport
  readonly address: string
  state: State = states.awaitingConnect
  /** Whether the wire is still there. */
  wired = true
  /** 4 is MQTT 3.1.1, 5 is 5.0; 0 before CONNECT. */
  version: 0 | 4 | 5 = 0
  tenant = 0
  deviceUid = 0
  deviceId = ''
  clientId = ''
  /** Whether an earlier session goes on, of whose packet ids this connection knows nothing. */
  resumed = false
  reset: Reset = resets.none
  expirySeconds = 0
  /** Monotonic ms of the last bytes; of the end once it is closed. */
  activeAtMs: number
  /** One and a half keep alives; 0: none. */
  silenceMsMax = 0
  pausedFor = 0
  turn = 0
  turnBytes = 0

  /** The begin of a packet whose rest has not come, or what came during authentication. */
  carry: Buffer | undefined = undefined
  carried = 0

  /** The last topic that was found to be this device's telemetry, to know it again by its bytes. */
  telemetryTopic: Buffer = noTopic
  /** What each topic alias stands for (verdicts of publish.ts). */
  aliases: Uint8Array | undefined = undefined
  /** Packet ids of QoS 2 messages that were received and not released. */
  unreleased: Set<number> | undefined = undefined

  /** Whether a chunk is just being read, and what is to be answered to it at once. */
  reading = false
  replies: Uint8Array[] | undefined = undefined

  /** Acknowledgements that wait for records that are being collected, and for those that fly to the queue. */
  acks: Buffer | undefined = undefined
  acksUsed = 0
  acksCount = 0
  flyingAcks: Buffer | undefined = undefined
  flyingAcksCount = 0
  /** QoS 1 messages among them. */
  unacknowledged = 0
  flyingUnacknowledged = 0

  /** Bytes of a packet that the client takes; 0: any. */
  packetBytesMax = 0

  constructor(gateway: MqttGateway, number: number, transport: Transport, address: string, nowMs: number) {
    this.gateway = gateway
    this.number = number
    this.transport = transport
    this.address = address
    this.activeAtMs = nowMs
  }

  /** Whether records of it are on their way to the queue. */
  get unsettled(): boolean {
    return this.acks !== undefined || this.flyingAcks !== undefined
  }

  /** Messages that were received and whose exchange is not finished; what the receive maximum bounds. */
  get inFlight(): number {
    return this.unacknowledged + this.flyingUnacknowledged + (this.unreleased?.size ?? 0)
  }

  /**
   * Sends a packet, unless the client takes none so large [MQTT-3.1.2-24]. Answers to what is being read wait until
   * all of it was, and go out in one write: a thousand PINGREQ in one chunk are not a thousand writes. Answers whether the
   * client takes it.
   */
  send(packet: Uint8Array): boolean {
    if (this.packetBytesMax > 0 && packet.length > this.packetBytesMax) return false
    if (!this.reading) this.transport.write(packet)
    else if (this.replies) this.replies.push(packet)
    else this.replies = [packet]
    return true
  }

  flush(): void {
    const { replies } = this
    if (!replies) return
    this.replies = undefined
    this.transport.write(replies.length === 1 ? replies[0]! : Buffer.concat(replies))
  }

  pause(reason: number): void {
    if (this.pausedFor === 0) {
      this.transport.pause()
      this.gateway.counters.pausedConnections++
    }
    this.pausedFor |= reason
  }

  resume(reason: number): void {
    if ((this.pausedFor & reason) === 0) return
    this.pausedFor &= ~reason
    if (this.pausedFor !== 0) return
    this.gateway.counters.pausedConnections--
    // While it was not read, its signs of life were not seen.
    if (this.state !== states.closed) this.activeAtMs = this.gateway.nowMs()
    this.transport.resume()
  }
}
