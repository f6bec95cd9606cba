import { limits } from '@drover/protocol'
import type { Connection } from './connection.ts'
import { endConnection } from './ending.ts'
import { type Allowed, readProperties } from './properties.ts'
import type { PacketReader } from './reader.ts'
import { protocolError } from './reasons.ts'

const allowed: Allowed = new Set(['sessionExpiryInterval', 'reasonString'])

/** [MQTT-3.14.4-1] After DISCONNECT the client sends nothing more and closes the connection; so do we. */
export function handleDisconnect(connection: Connection, reader: PacketReader): void {
  if (connection.version === 5 && reader.left > 0) {
    reader.byte()
    if (reader.left > 0) {
      const { sessionExpiryInterval } = readProperties(reader, allowed)
      if (sessionExpiryInterval !== undefined) changeExpiry(connection, sessionExpiryInterval)
    }
  }
  reader.finish()
  endConnection(connection, 'disconnected')
}

function changeExpiry(connection: Connection, seconds: number): void {
  // [MQTT-3.1.2-23], section 3.14.2.2.2: a session that ends with its connection cannot be prolonged at the end.
  if (connection.expirySeconds === 0 && seconds > 0)
    throw protocolError('the session expiry interval was 0 in CONNECT')
  connection.expirySeconds = Math.min(seconds, limits.sessionExpirySecondsMax)
}
