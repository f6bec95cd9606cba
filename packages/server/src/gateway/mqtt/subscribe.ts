import { generate } from 'mqtt-packet'
import type { Connection } from './connection.ts'
import { type Allowed, readProperties } from './properties.ts'
import type { PacketReader } from './reader.ts'
import { malformed, protocolError, reasons, Violation } from './reasons.ts'

const allowed: Allowed = new Set(['subscriptionIdentifier'])
/** SUBACK of 3.1.1: failure. */
const failure = 0x80

/** SUBSCRIBE: this version has no subscriptions; every filter is answered with a failure (docs/decisions/0008). */
export function handleSubscribe(connection: Connection, reader: PacketReader): void {
  const packetId = reader.uint16()
  if (packetId === 0) throw protocolError('the packet identifier is 0')
  const hasIdentifier =
    connection.version === 5 && readProperties(reader, allowed).subscriptionIdentifier !== undefined
  // [MQTT-3.8.3-2] There is at least one topic filter.
  if (reader.left === 0) throw protocolError('SUBSCRIBE has no topic filter')
  const granted: number[] = []
  while (reader.left > 0) granted.push(readFilter(connection.version, reader, hasIdentifier))
  connection.gateway.refused('subscription')
  connection.gateway.notice(connection, 'refused subscriptions; there are none yet', {})
  connection.send(
    generate({ cmd: 'suback', messageId: packetId, granted }, { protocolVersion: connection.version }),
  )
}

function readFilter(version: number, reader: PacketReader, hasIdentifier: boolean): number {
  const filter = reader.string()
  const options = reader.byte()
  // [MQTT-4.7.3-1] A filter has at least one character.
  if (filter === '') throw protocolError('a topic filter is empty')
  // [MQTT-3.8.3-5] The reserved bits are 0, and QoS is not 3 [MQTT-3-8.3-4].
  const reserved = version === 5 ? 0xc0 : 0xfc
  if ((options & reserved) !== 0 || (options & 3) === 3 || (options & 0x30) === 0x30)
    throw malformed('the options of a subscription are not possible')
  if (version !== 5) return failure
  if (hasIdentifier) return reasons.subscriptionIdentifiersNotSupported
  return (
    readShared(filter, options) ??
    (/[+#]/.test(filter) ? reasons.wildcardSubscriptionsNotSupported : reasons.notAuthorized)
  )
}

function readShared(filter: string, options: number): number | undefined {
  if (!filter.startsWith('$share/')) return undefined
  // [MQTT-3.8.3-4] "No local" on a shared subscription is a protocol error.
  if ((options & 4) !== 0) throw new Violation(reasons.protocolError, 'a shared subscription with "no local"')
  return reasons.sharedSubscriptionsNotSupported
}
