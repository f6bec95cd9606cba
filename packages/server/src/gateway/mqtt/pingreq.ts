import type { Connection } from './connection.ts'
import type { PacketReader } from './reader.ts'

const pingresp = Buffer.from([0xd0, 0])

/** [MQTT-3.12.4-1] The server answers PINGREQ with PINGRESP. */
export function handlePingreq(connection: Connection, reader: PacketReader): void {
  reader.finish()
  connection.send(pingresp)
}
