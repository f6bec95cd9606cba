import type { types } from 'cassandra-driver'
import type { MessageKey, StoreBatch } from '../store.ts'
import { concurrently } from './concurrently.ts'
import { Partitions } from './points-write.ts'
import { groupOf } from './schema.ts'
import type { Mutation, Session, Statement } from './session.ts'

const readsAtATime = 32
/** After every other character. */
const last = '\u{10ffff}'

interface KeyRow {
  readonly device: types.Long
  readonly key: string
  readonly received_at: types.Long
}

export async function findKeys(
  session: Session,
  deviceUids: readonly number[] | 'all',
): Promise<MessageKey[]> {
  if (deviceUids === 'all') {
    const rows = await session.rows<KeyRow>('SELECT device, key, received_at FROM message_keys', [])
    return rows.map(keyOf)
  }
  const found: KeyRow[] = []
  const groups = [...Map.groupBy(new Set(deviceUids), groupOf)]
  await concurrently(groups, readsAtATime, async ([group, uids]) => {
    const query = 'SELECT device, key, received_at FROM message_keys WHERE device_group = ? AND device IN ?'
    found.push(...(await session.rows<KeyRow>(query, [group, uids])))
  })
  return found.map(keyOf).sort((a, b) => a.receivedAtMicros - b.receivedAtMicros)
}

const keyOf = ({ device, key, received_at }: KeyRow): MessageKey => ({
  deviceUid: device.toNumber(),
  key,
  receivedAtMicros: received_at.toNumber(),
})

/** Timestamps rise with the position, and within a batch from released keys to new ones. */
export function keyMutations({ releasedKeys, newKeys, position: { position } }: StoreBatch): Mutation[] {
  const partitions = new Partitions()
  for (const { deviceUid, key } of releasedKeys)
    partitions.add(groupOf(deviceUid), released(deviceUid, key, 2 * position))
  for (const { deviceUid, key, receivedAtMicros } of newKeys)
    partitions.add(groupOf(deviceUid), {
      query:
        'INSERT INTO message_keys (device_group, device, key, received_at) VALUES (?, ?, ?, ?) USING TIMESTAMP ?',
      params: [groupOf(deviceUid), deviceUid, key, receivedAtMicros, 2 * position + 1],
    })
  return partitions.mutations()
}

function released(deviceUid: number, key: string, timestamp: number): Statement {
  const partition = [groupOf(deviceUid), deviceUid]
  if (!key.endsWith('*'))
    return {
      query: 'DELETE FROM message_keys USING TIMESTAMP ? WHERE device_group = ? AND device = ? AND key = ?',
      params: [timestamp, ...partition, key],
    }
  const prefix = key.slice(0, -1)
  return {
    query:
      'DELETE FROM message_keys USING TIMESTAMP ? WHERE device_group = ? AND device = ? AND key >= ? AND key <= ?',
    params: [timestamp, ...partition, prefix, prefix + last],
  }
}
