import { limits } from '@drover/protocol'
import type { ReceiptClock } from '../../queue/batch.ts'
import type { Queue } from '../../queue/queue.ts'
import { Collector, type Receipts } from '../collector.ts'
import { emptyMetrics, type GatewayMetrics } from '../metrics.ts'
import { NoticeLimiter, type NoticeSink } from '../notices.ts'
import type { EndReason } from '../presence.ts'
import type { GatewaySessions, SessionDirectory } from '../sessions.ts'
import { Connection, pauses, resets, states, type Transport } from './connection.ts'
import { endConnection, silently } from './ending.ts'
import { receive } from './framing.ts'
import { reasons } from './reasons.ts'

export interface MqttGatewayOptions {
  readonly queue: Pick<Queue, 'append'>
  readonly clock: ReceiptClock
  /** 8 bytes that no other writer of records uses. */
  readonly bootId: Uint8Array
  /** Makes the gateway known to the directory of sessions. */
  readonly attach: (sessions: GatewaySessions) => SessionDirectory
  readonly notice: NoticeSink
  /** Monotonic milliseconds. */
  readonly nowMs?: () => number
  readonly pendingBytesMax?: number
}

/** Time that a client has to read why its connection ends, before the wire is cut. */
const lingerMs = 1_000
/** How often `sweep` should be called. */
export const sweepPeriodMs = 500

/**
 * The connections of one thread. They share a collector; who has answers waiting for the records of a flight is
 * listed once, and gets all of them in one write.
 */
export class MqttGateway implements GatewaySessions {
  readonly collector: Collector
  readonly directory: SessionDirectory
  readonly nowMs: () => number
  readonly counters: GatewayMetrics = emptyMetrics()
  readonly #connections = new Map<number, Connection>()
  readonly #settling = new Map<number, (() => void)[]>()
  readonly #notices: NoticeLimiter
  #lastNumber = 0
  #collecting: Connection[] = []
  /** Connections that had more than their share of this turn, and those that wait until the queue is well again. */
  #resting: Connection[] = []
  #congested: Connection[] = []
  #onEmpty = () => {}
  #turn = 1
  #turnEnds = false
  #reportedAtMs: number
  #sweeps = 0
  readonly #onTurnEnd = () => this.#endTurn()

  constructor(options: MqttGatewayOptions) {
    this.nowMs = options.nowMs ?? (() => performance.now())
    this.#reportedAtMs = this.nowMs()
    this.#notices = new NoticeLimiter(options.notice)
    this.collector = new Collector({
      ...options,
      retry: true,
      takeReceipts: () => this.#takeReceipts(),
      onCongestion: (congested) => this.#onCongestion(congested),
      onFailure: (error) => this.#onFailure(error),
    })
    this.directory = options.attach(this)
  }

  /** A wire has opened; its owner calls `receive` and `lost` from now on. */
  accept(transport: Transport, address: string): Connection {
    const connection = new Connection(this, ++this.#lastNumber, transport, address, this.nowMs())
    this.#connections.set(connection.number, connection)
    this.counters.accepted++
    return connection
  }

  receive(connection: Connection, chunk: Buffer): void {
    this.counters.bytesReceived += chunk.length
    connection.activeAtMs = connection.state === states.closed ? connection.activeAtMs : this.nowMs()
    this.#read(connection, chunk)
    this.#share(connection, chunk.length)
  }

  /** The session was granted: reads what came meanwhile, as a client need not wait for CONNACK. */
  proceed(connection: Connection): void {
    const held = connection.carry?.subarray(0, connection.carried)
    connection.carry = undefined
    connection.carried = 0
    if (held) this.#read(connection, held)
    connection.resume(pauses.authentication)
  }

  /** The wire is gone. */
  lost(connection: Connection): void {
    connection.wired = false
    endConnection(connection, 'connectionLost')
    this.#forget(connection)
  }

  /** An answer of the connection waits for the flight that is being collected. */
  collecting(connection: Connection): void {
    this.#collecting.push(connection)
    this.collector.schedule()
  }

  /** The connection has ended; its wire may still be open. */
  closed(connection: Connection, reason: EndReason): void {
    if (connection.clientId === '') return
    this.directory.closed({
      connection: connection.number,
      reason,
      expirySeconds: connection.expirySeconds,
      unsettled: connection.unsettled,
      resetPending: connection.reset !== resets.none,
    })
  }

  end(number: number, reason: EndReason): Promise<void> {
    const connection = this.#connections.get(number)
    if (!connection) return Promise.resolve()
    endConnection(connection, reason)
    if (!connection.unsettled) return Promise.resolve()
    return new Promise((resolve) => {
      const waiting = this.#settling.get(number)
      if (waiting) waiting.push(resolve)
      else this.#settling.set(number, [resolve])
    })
  }

  /** Ends what is silent for too long, and tells the directory who is not. */
  sweep(): void {
    const nowMs = this.nowMs()
    const active: number[] = []
    for (const connection of this.#connections.values()) {
      this.#sweepOne(connection, nowMs)
      if (connection.state === states.open && connection.activeAtMs >= this.#reportedAtMs)
        active.push(connection.number)
    }
    this.#reportedAtMs = nowMs
    if (active.length > 0) this.directory.active(active)
    if (++this.#sweeps % Math.round(1_000 / sweepPeriodMs) === 0) this.#notices.tick()
  }

  metrics(): GatewayMetrics {
    let connections = 0
    for (const { state } of this.#connections.values()) if (state === states.open) connections++
    return {
      ...this.counters,
      connections,
      wires: this.#connections.size,
      appendsWaiting: this.collector.waiting,
      pendingBytes: this.collector.pendingBytes,
      congested: this.collector.congested ? 1 : 0,
      appendLatency: this.collector.latency,
    }
  }

  /** Takes nothing more in, acknowledges what is on its way, and ends all connections; what is late is given up. */
  async close(timeoutMs: number): Promise<void> {
    for (const connection of this.#connections.values()) connection.pause(pauses.stopping)
    const giveUp = setTimeout(() => this.collector.stopRetrying(), timeoutMs / 2)
    await within(this.collector.close(), timeoutMs * 0.8)
    clearTimeout(giveUp)
    for (const connection of this.#connections.values()) endConnection(connection, 'serverStopped')
    const gone = Promise.withResolvers<void>()
    this.#onEmpty = gone.resolve
    if (this.#connections.size > 0) await within(gone.promise, Math.min(lingerMs / 2, timeoutMs * 0.1))
    for (const { transport } of this.#connections.values()) transport.destroy()
  }

  refused(what: string): void {
    this.counters.refused[what] = (this.counters.refused[what] ?? 0) + 1
  }

  notice(connection: Connection, message: string, details: Record<string, string | number>): void {
    const { deviceId: device, clientId: client, address } = connection
    this.#notices.add({ level: 'info', message, details: { device, client, address, ...details } })
  }

  /** A mistake in the gateway itself, with what is needed to find it. */
  failed(connection: Connection, error: unknown): void {
    const { deviceId: device, clientId: client, address } = connection
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.#notices.add({
      level: 'error',
      message: 'failed to handle a packet',
      details: { device, client, address, error: text },
    })
  }

  #sweepOne(connection: Connection, nowMs: number): void {
    const silentMs = nowMs - connection.activeAtMs
    switch (connection.state) {
      case states.open:
        // [MQTT-3.1.2-22] While we do not read, silence is ours.
        if (connection.silenceMsMax > 0 && silentMs > connection.silenceMsMax && connection.pausedFor === 0)
          endConnection(connection, 'keepAliveTimeout')
        break
      case states.closed:
        if (silentMs > lingerMs) connection.transport.destroy()
        break
      default:
        if (silentMs > limits.connectTimeoutSeconds * 1_000) {
          this.refused('connectTimeout')
          endConnection(connection, 'connectionLost', reasons.serverUnavailable)
        }
    }
  }

  #read(connection: Connection, chunk: Buffer): void {
    connection.reading = true
    receive(connection, chunk)
    connection.reading = false
    connection.flush()
    this.#checkReader(connection)
  }

  /** One that floods is not read until the others had their turn. */
  #share(connection: Connection, bytes: number): void {
    if (connection.turn !== this.#turn) {
      connection.turn = this.#turn
      connection.turnBytes = 0
    }
    connection.turnBytes += bytes
    if (connection.state === states.closed) return
    if (connection.turnBytes >= limits.readBytesPerTurnMax) {
      connection.pause(pauses.fairness)
      this.#resting.push(connection)
    }
    if (this.collector.congested && (connection.pausedFor & pauses.congestion) === 0) {
      connection.pause(pauses.congestion)
      this.#congested.push(connection)
    }
    if (!this.#turnEnds) {
      this.#turnEnds = true
      setImmediate(this.#onTurnEnd)
    }
  }

  #endTurn(): void {
    this.#turnEnds = false
    this.#turn++
    const resting = this.#resting
    this.#resting = []
    for (const connection of resting) connection.resume(pauses.fairness)
  }

  #onCongestion(congested: boolean): void {
    if (congested) return
    const waiting = this.#congested
    this.#congested = []
    for (const connection of waiting) connection.resume(pauses.congestion)
  }

  #onFailure(error: unknown): void {
    this.counters.appendFailures++
    const text = error instanceof Error ? error.message : String(error)
    this.#notices.add({ level: 'warn', message: 'the queue refused a batch', details: { error: text } })
  }

  #takeReceipts(): Receipts {
    const flying = this.#collecting
    this.#collecting = []
    for (const connection of flying) {
      connection.flyingAcks = connection.acks!.subarray(0, connection.acksUsed)
      connection.acks = undefined
      connection.flyingAcksCount = connection.acksCount
      connection.acksCount = 0
      connection.flyingUnacknowledged = connection.unacknowledged
      connection.unacknowledged = 0
      if (connection.reset === resets.collected) connection.reset = resets.flying
    }
    return {
      appended: () => {
        for (const connection of flying) this.#settle(connection, true)
      },
      refused: (error) => {
        for (const connection of flying) this.#giveUp(connection, error)
      },
    }
  }

  #settle(connection: Connection, durable: boolean): void {
    const acks = connection.flyingAcks!
    connection.flyingAcks = undefined
    connection.flyingUnacknowledged = 0
    if (connection.reset === resets.flying) connection.reset = durable ? resets.none : resets.pending
    if (connection.state === states.closed) this.#settled(connection)
    else if (durable) this.#answer(connection, acks)
  }

  #answer(connection: Connection, acks: Buffer): void {
    this.counters.acknowledged += connection.flyingAcksCount
    this.counters.acknowledgedWrites++
    connection.transport.write(acks)
    connection.resume(pauses.inFlight)
    this.#checkReader(connection)
  }

  /** Its records were not stored and will not be tried again: the client must send them once more. */
  #giveUp(connection: Connection, error: Error): void {
    this.notice(connection, 'closed a connection whose messages could not be stored', {
      reason: error.message,
    })
    this.#settle(connection, false)
    endConnection(connection, 'connectionLost', reasons.unspecifiedError)
  }

  /** Answers that the client does not read are not kept for it without bound. */
  #checkReader(connection: Connection): void {
    if (connection.transport.writableLength <= limits.outgoingBytesPerConnectionMax) return
    if (connection.state !== states.closed) {
      this.refused('slowReader')
      this.notice(connection, 'closed a connection that does not read its answers', {})
    }
    endConnection(connection, 'connectionLost', silently)
    connection.transport.destroy()
  }

  #settled(connection: Connection): void {
    if (connection.unsettled) return
    this.directory.settled(connection.number, connection.reset !== resets.none)
    const waiting = this.#settling.get(connection.number)
    this.#settling.delete(connection.number)
    for (const resolve of waiting ?? []) resolve()
    this.#forget(connection)
  }

  #forget(connection: Connection): void {
    if (connection.unsettled || connection.wired) return
    this.#connections.delete(connection.number)
    if (this.#connections.size === 0) this.#onEmpty()
  }
}

async function within(promise: Promise<void>, timeoutMs: number): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, timeoutMs)
  await Promise.race([promise, late])
  clearTimeout(timer)
}
