import { generate } from 'mqtt-packet'
import type { Connection } from './connection.ts'
import { type Allowed, readProperties } from './properties.ts'
import type { PacketReader } from './reader.ts'
import { protocolError } from './reasons.ts'

const allowed: Allowed = new Set()
/** UNSUBACK of 5.0: there was no such subscription, which is the state that the client wants. */
const noSubscriptionExisted = 0x11

/** [MQTT-3.10.4-4] UNSUBSCRIBE is answered with UNSUBACK, also when nothing was deleted [MQTT-3.10.4-5]. */
export function handleUnsubscribe(connection: Connection, reader: PacketReader): void {
  const packetId = reader.uint16()
  if (packetId === 0) throw protocolError('the packet identifier is 0')
  if (connection.version === 5) readProperties(reader, allowed)
  // [MQTT-3.10.3-2] There is at least one topic filter.
  if (reader.left === 0) throw protocolError('UNSUBSCRIBE has no topic filter')
  const granted: number[] = []
  while (reader.left > 0) {
    if (reader.string() === '') throw protocolError('a topic filter is empty')
    granted.push(noSubscriptionExisted)
  }
  connection.send(
    generate({ cmd: 'unsuback', messageId: packetId, granted }, { protocolVersion: connection.version }),
  )
}
