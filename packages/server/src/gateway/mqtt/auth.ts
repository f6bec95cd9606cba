import type { Connection } from './connection.ts'
import type { PacketReader } from './reader.ts'
import { malformed, protocolError } from './reasons.ts'

/**
 * AUTH belongs to an exchange that CONNECT has begun with an authentication method [MQTT-4.12.0-1]. CONNECT with one
 * is refused here, so that no AUTH is ever expected.
 */
export function handleAuth(connection: Connection, _reader: PacketReader): void {
  if (connection.version !== 5) throw malformed('the packet type 15 is reserved in MQTT 3.1.1')
  throw protocolError('AUTH without an authentication method in CONNECT')
}
