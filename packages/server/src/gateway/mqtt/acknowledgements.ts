import type { Connection } from './connection.ts'

/** First bytes of the answers to PUBLISH and PUBREL. */
export const puback = 0x40
export const pubrec = 0x50
export const pubcomp = 0x70

const initialBytes = 64

/**
 * Writes an answer into the buffer that goes out in one piece once everything that was collected before is durable.
 * Refusals wait there too: answers leave in the order in which the messages came [MQTT-4.6.0-2].
 */
export function acknowledge(connection: Connection, type: number, packetId: number, reason = 0): void {
  let bytes = connection.acks
  if (bytes === undefined) {
    bytes = Buffer.allocUnsafe(initialBytes)
    connection.acks = bytes
    connection.acksUsed = 0
    connection.gateway.collecting(connection)
  } else if (connection.acksUsed + 5 > bytes.length) {
    bytes = Buffer.allocUnsafe(bytes.length * 2)
    connection.acks!.copy(bytes, 0, 0, connection.acksUsed)
    connection.acks = bytes
  }
  const at = connection.acksUsed
  bytes[at] = type
  bytes[at + 1] = reason === 0 ? 2 : 3
  bytes[at + 2] = packetId >> 8
  bytes[at + 3] = packetId & 0xff
  // A missing reason code means success (MQTT 5.0, section 3.4.2.1), so that success looks the same in 3.1.1.
  if (reason !== 0) bytes[at + 4] = reason
  connection.acksCount++
  connection.acksUsed = at + (reason === 0 ? 4 : 5)
}
