import { channels } from '../../queue/batch.ts'
import { acknowledge, pubcomp } from './acknowledgements.ts'
import type { Connection } from './connection.ts'
import { type Allowed, readProperties } from './properties.ts'
import type { PacketReader } from './reader.ts'
import { protocolError, reasons } from './reasons.ts'

const allowed: Allowed = new Set(['reasonString'])
const nothing = Buffer.alloc(0)

/** PUBREL: the second half of QoS 2. The packet id is free again once the release is durable. */
export function handlePubrel(connection: Connection, reader: PacketReader): void {
  const packetId = reader.uint16()
  if (packetId === 0) throw protocolError('the packet identifier is 0')
  if (connection.version === 5 && reader.left > 0) {
    reader.byte()
    if (reader.left > 0) readProperties(reader, allowed)
  }
  reader.finish()
  const known = connection.unreleased?.delete(packetId) ?? false
  // What an earlier connection of this session received is known to processing only.
  if (known || connection.resumed) release(connection, packetId)
  else acknowledge(connection, pubcomp, packetId, notFound(connection))
}

function release(c: Connection, packetId: number): void {
  const key = `m:${c.clientId}:${packetId}`
  c.gateway.collector.add(c.tenant, c.deviceUid, channels.release, 0, 0, key, nothing, 0, 0)
  acknowledge(c, pubcomp, packetId)
}

/** 3.1.1 has no reason codes: its PUBCOMP says that there is nothing left to release. */
function notFound({ version }: Connection): number {
  return version === 5 ? reasons.packetIdentifierNotFound : reasons.success
}
