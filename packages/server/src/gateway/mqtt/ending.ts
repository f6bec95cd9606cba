import { generate } from 'mqtt-packet'
import type { EndReason } from '../presence.ts'
import { refusal, refusalOfViolation } from './connack.ts'
import { type Connection, states } from './connection.ts'
import { reasons, type Violation } from './reasons.ts'

/** What the client is told when its connection ends, if it is told. */
const reasonCodes: Partial<Record<EndReason, number>> = {
  keepAliveTimeout: reasons.keepAliveTimeout,
  takenOver: reasons.sessionTakenOver,
  tokenRevoked: reasons.notAuthorized,
  deviceDeleted: reasons.administrativeAction,
  deviceSuspended: reasons.administrativeAction,
  serverStopped: reasons.serverShuttingDown,
}

/** The code of an end of which the client is told nothing. */
export const silently = 0

/**
 * Ends the connection: tells the client why (5.0), closes the wire and tells the directory. What it has on its way
 * to the queue settles later; nothing of it is acknowledged any more. The first reason counts; a second call does nothing.
 */
export function endConnection(
  connection: Connection,
  reason: EndReason,
  code = reasonCodes[reason] ?? silently,
  text?: string,
): void {
  if (connection.state === states.closed) return
  if (code !== silently) {
    const packet =
      connection.state === states.open ? farewell(connection, code, text) : rejection(connection, code, text)
    if (packet) connection.send(packet)
  }
  close(connection, reason)
}

/** The sender broke the standard. */
export function endForViolation(connection: Connection, violation: Violation): void {
  connection.gateway.notice(connection, 'closed a connection', {
    reason: violation.message,
    code: violation.reason,
  })
  endConnection(connection, 'protocolError', violation.reason, violation.message)
}

function farewell(c: Connection, code: number, text: string | undefined): Buffer | undefined {
  if (c.version !== 5) return undefined
  return withinPacketMax(c, disconnectPacket(code, text)) ?? disconnectPacket(code, undefined)
}

/** A DISCONNECT from the server (5.0 only; in 3.1.1 the server just closes). */
function disconnectPacket(reasonCode: number, reasonString: string | undefined): Buffer {
  const properties = reasonString === undefined ? undefined : { reasonString }
  return generate({ cmd: 'disconnect', reasonCode, properties }, { protocolVersion: 5 })
}

function rejection(
  c: Connection,
  code: number,
  text = 'the connection cannot be opened',
): Buffer | undefined {
  return refusal(c.version, refusalOfViolation(code, text))
}

function withinPacketMax({ packetBytesMax }: Connection, packet: Buffer): Buffer | undefined {
  return packetBytesMax > 0 && packet.length > packetBytesMax ? undefined : packet
}

function close(c: Connection, reason: EndReason): void {
  const { gateway } = c
  c.state = states.closed
  c.activeAtMs = gateway.nowMs()
  c.carry = undefined
  c.aliases = undefined
  c.unreleased = undefined
  gateway.counters.ended[reason] = (gateway.counters.ended[reason] ?? 0) + 1
  // What the client still sends is read and dropped, so that the system does not reset the connection before the
  // client has read why it ended.
  c.resume(c.pausedFor)
  c.flush()
  c.transport.end()
  gateway.closed(c, reason)
}
