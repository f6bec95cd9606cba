import { randomUUID } from 'node:crypto'
import { limits, parseDeviceToken, parsePublishTopic } from '@drover/protocol'
import type { DeviceCredentials } from '../identity.ts'
import type { OpenedSession } from '../sessions.ts'
import { acceptance, refusal, refusalOfError } from './connack.ts'
import { type ConnectPacket, readConnect, readProtocol } from './connect.ts'
import { type Connection, pauses, resets, states } from './connection.ts'
import { endConnection, silently } from './ending.ts'
import type { PacketReader } from './reader.ts'
import { protocolError, reasons, Violation } from './reasons.ts'

/** CONNECT, from its bytes to CONNACK. */
export function handleConnect(connection: Connection, reader: PacketReader): void {
  // [MQTT-3.1.0-2] A second CONNECT is a protocol error.
  if (connection.state !== states.awaitingConnect) throw protocolError('CONNECT came twice')
  // A version that is not known is refused in the words of 3.1.1, which all clients understand.
  connection.version = 4
  const version = readProtocol(reader)
  connection.version = version
  const packet = readConnect(version, reader)
  checkOffer(packet)
  connection.packetBytesMax = packet.properties.maximumPacketSize ?? 0
  connection.state = states.authenticating
  connection.pause(pauses.authentication)
  void open(connection, packet)
}

/** What is legal in MQTT and not on offer here (docs/decisions/0008). */
function checkOffer({ version, will, properties }: ConnectPacket): void {
  // [MQTT-4.12.0-1] An authentication method that the server does not have.
  if (properties.authenticationMethod !== undefined)
    throw new Violation(reasons.badAuthenticationMethod, 'there are no authentication methods')
  if (!will) return
  // [MQTT-3.2.2-13] A will to be retained, where retained messages are not kept (3.1.1 was not told so).
  if (will.retain && version === 5)
    throw new Violation(reasons.retainNotSupported, 'retained messages are not kept, wills neither')
  // Any other will has nobody who could see it: there are no subscriptions, and presence comes from the session.
  if (isTelemetry(will.topic))
    throw new Violation(
      reasons.implementationSpecificError,
      'a will to a telemetry topic would not be stored',
    )
}

function isTelemetry(topic: string): boolean {
  return parsePublishTopic(topic, '').kind !== 'unknown'
}

async function open(connection: Connection, packet: ConnectPacket): Promise<void> {
  const { gateway } = connection
  const clientId = packet.clientId === '' ? `drover-${randomUUID()}` : packet.clientId
  connection.clientId = clientId
  connection.expirySeconds = expirySeconds(packet)
  try {
    const session = await gateway.directory.open({
      connection: connection.number,
      credentials: credentialsOf(packet),
      clientId,
      cleanStart: packet.cleanStart,
      expirySeconds: connection.expirySeconds,
    })
    if (connection.state === states.closed) {
      // It closed before the session was granted, and has told so already, perhaps too early to be understood.
      if (session) gateway.closed(connection, 'connectionLost')
    } else if (session) accept(connection, packet, session)
    else endConnection(connection, 'takenOver', silently)
  } catch (error) {
    if (connection.state === states.closed) return
    refuse(connection, error)
  }
}

/**
 * The token is the password beside the device id, or the username alone, or (5.0 only) the password alone. Where it
 * is the username, a password beside it says nothing.
 */
function credentialsOf({ username, password }: ConnectPacket): DeviceCredentials {
  if (username !== undefined && parseDeviceToken(username)) return { deviceId: undefined, token: username }
  return { deviceId: username === '' ? undefined : username, token: password?.toString('utf8') ?? '' }
}

/** 3.1.1 knows sessions that end with the connection and sessions that last. */
function expirySeconds({ version, cleanStart, properties }: ConnectPacket): number {
  if (version === 4) return cleanStart ? 0 : limits.sessionExpirySecondsMax
  return Math.min(properties.sessionExpiryInterval ?? 0, limits.sessionExpirySecondsMax)
}

function accept(
  c: Connection,
  packet: ConnectPacket,
  { identity, present, resetPending }: OpenedSession,
): void {
  const { version, properties } = packet
  const asked = packet.keepAliveSeconds
  // 3.1.1 cannot be told of another keep alive. [MQTT-3.2.2-21] 5.0 uses ours.
  const limited = version === 5 && (asked === 0 || asked > limits.keepAliveSecondsMax)
  const keepAliveSeconds = limited ? limits.keepAliveSecondsMax : asked
  c.tenant = identity.tenant
  c.deviceUid = identity.deviceUid
  c.deviceId = identity.deviceId
  c.resumed = present
  c.reset = resetPending ? resets.pending : resets.none
  // [MQTT-3.1.2-22] The server closes when nothing came for one and a half keep alives.
  c.silenceMsMax = keepAliveSeconds * 1_500
  c.state = states.open
  const connack = acceptance({
    version,
    sessionPresent: present,
    assignedClientId: packet.clientId === '' ? c.clientId : undefined,
    expirySeconds: c.expirySeconds === (properties.sessionExpiryInterval ?? 0) ? undefined : c.expirySeconds,
    keepAliveSeconds: limited ? keepAliveSeconds : undefined,
  })
  c.gateway.counters.opened++
  // Without CONNACK the client would wait for ever.
  if (c.send(connack)) c.gateway.proceed(c)
  else endConnection(c, 'protocolError', silently)
}

function refuse(c: Connection, error: unknown): void {
  const why = refusalOfError(error)
  c.gateway.refused('connection')
  c.gateway.notice(c, 'refused a connection', { reason: why.text, clientId: c.clientId })
  const packet = refusal(c.version, why)
  if (packet) c.send(packet)
  endConnection(c, 'protocolError', silently)
}
