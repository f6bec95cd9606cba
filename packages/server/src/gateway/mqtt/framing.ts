import { limits } from '@drover/protocol'
import { handleAuth } from './auth.ts'
import { type Connection, pauses, states } from './connection.ts'
import { handleDisconnect } from './disconnect.ts'
import { endConnection, endForViolation } from './ending.ts'
import { handleConnect } from './opening.ts'
import { handlePingreq } from './pingreq.ts'
import { handlePublish } from './publish.ts'
import { handlePubrel } from './pubrel.ts'
import { PacketReader } from './reader.ts'
import { malformed, protocolError, reasons, Violation } from './reasons.ts'
import { handleSubscribe } from './subscribe.ts'
import { handleUnsubscribe } from './unsubscribe.ts'

type Handler = (connection: Connection, reader: PacketReader) => void

const connect = 1
const publish = 3

/** By packet type; what a server only sends is missing. */
const handlers: readonly (Handler | undefined)[] = [
  undefined,
  handleConnect,
  undefined,
  undefined,
  undefined,
  undefined,
  handlePubrel,
  undefined,
  handleSubscribe,
  undefined,
  handleUnsubscribe,
  undefined,
  handlePingreq,
  undefined,
  handleDisconnect,
  handleAuth,
]
/** [MQTT-2.1.3-1] The reserved flags of the fixed header, by packet type. */
const requiredFlags = [0, 0, 0, 0, 0, 0, 2, 0, 2, 0, 2, 0, 0, 0, 0, 0]

/** Takes what came from the wire; a packet may begin in one chunk and end in another. Errors end the connection only. */
export function receive(connection: Connection, chunk: Buffer): void {
  if (connection.state === states.closed) return
  try {
    if (connection.state === states.awaitingConnect) checkFirstByte(connection, chunk)
    if (connection.state === states.authenticating) hold(connection, chunk, 0)
    else receivePackets(connection, chunk, connection.carry ? completeCarried(connection, chunk) : 0)
  } catch (error) {
    if (error instanceof Violation) endForViolation(connection, error)
    else endForMistake(connection, error)
  }
}

/** [MQTT-3.1.0-1] The first packet is CONNECT: whoever speaks HTTP or TLS here is told at the first byte. */
function checkFirstByte({ carry }: Connection, chunk: Buffer): void {
  if ((carry ?? chunk)[0] !== connect << 4) throw protocolError('the first packet is not CONNECT')
}

/** A mistake of ours: it ends this connection and no other. */
function endForMistake(connection: Connection, error: unknown): void {
  connection.gateway.failed(connection, error)
  endConnection(connection, 'protocolError', reasons.unspecifiedError)
}

function receivePackets(connection: Connection, chunk: Buffer, from: number): void {
  const { length } = chunk
  let at = from
  while (at < length) {
    if (connection.state !== states.open && connection.state !== states.awaitingConnect) break
    let size = 0
    // Nearly all packets have a remaining length of one byte or two.
    const second = at + 1 < length ? chunk[at + 1]! : 0x100
    if (second < 0x80) size = 2 + second
    else if (second < 0x100) size = packetSize(chunk, at, length)
    checkSize(size)
    if (size === 0 || at + size > length) break
    handlePacket(connection, chunk, at, size)
    at += size
  }
  if (at < length && connection.state !== states.closed) hold(connection, chunk, at)
}

/** Bytes of the packet at `at`, header included; 0 while its length has not come completely. */
function packetSize(bytes: Buffer, at: number, end: number): number {
  let remaining = 0
  for (let index = 1; index <= 4; index++) {
    if (at + index >= end) return 0
    const byte = bytes[at + index]!
    remaining |= (byte & 0x7f) << (7 * (index - 1))
    if (byte < 0x80) return 1 + index + remaining
  }
  // [MQTT-1.5.5-1] The remaining length has at most four bytes.
  throw malformed('the remaining length has more than four bytes')
}

function checkSize(size: number): void {
  if (size > limits.mqttPacketBytesMax)
    throw new Violation(reasons.packetTooLarge, `a packet has more than ${limits.mqttPacketBytesMax} bytes`)
}

function handlePacket(connection: Connection, bytes: Buffer, at: number, size: number): void {
  const first = bytes[at]!
  const type = first >> 4
  const end = at + size
  let start = at + 2
  while (bytes[start - 1]! >= 0x80) start++
  if (type === publish) handlePublish(connection, first, bytes, start, end)
  else handleOther(connection, first, new PacketReader(bytes, start, end))
}

function handleOther(connection: Connection, first: number, reader: PacketReader): void {
  const type = first >> 4
  const handler = handlers[type]
  if (type === 0) throw malformed('the packet type 0 is reserved')
  if (!handler) throw protocolError(`a client does not send the packet type ${type}`)
  if ((first & 15) !== requiredFlags[type]) throw malformed('the flags of the fixed header are not possible')
  handler(connection, reader)
}

/** Adds the chunk's bytes to the packet that has begun until it is whole, and handles it; returns where the next begins. */
function completeCarried(connection: Connection, chunk: Buffer): number {
  let at = 0
  let size = packetSize(connection.carry!, 0, connection.carried)
  // The length itself may be cut: it comes byte by byte.
  while (size === 0) {
    if (at === chunk.length) return at
    append(connection, chunk, at, ++at)
    size = packetSize(connection.carry!, 0, connection.carried)
  }
  checkSize(size)
  const until = Math.min(chunk.length, at + size - connection.carried)
  append(connection, chunk, at, until)
  if (connection.carried < size) return until
  const packet = connection.carry!
  connection.carry = undefined
  connection.carried = 0
  handlePacket(connection, packet, 0, size)
  return until
}

function hold(connection: Connection, chunk: Buffer, from: number): void {
  if (connection.state === states.authenticating) {
    connection.pause(pauses.authentication)
    // It was told to wait, and more than one packet's worth is not waiting.
    if (connection.carried + chunk.length - from > 2 * limits.mqttPacketBytesMax)
      throw new Violation(reasons.packetTooLarge, 'too much was sent before CONNACK')
  }
  append(connection, chunk, from, chunk.length)
}

/** Grows with what has come, not with what a header announces. */
function append(connection: Connection, chunk: Buffer, from: number, until: number): void {
  const needed = connection.carried + until - from
  const old = connection.carry
  if (!old || old.length < needed) {
    const grown = Buffer.allocUnsafe(Math.max(needed, old ? old.length * 2 : 0))
    if (old) old.copy(grown, 0, 0, connection.carried)
    connection.carry = grown
  }
  chunk.copy(connection.carry!, connection.carried, from, until)
  connection.carried = needed
}
