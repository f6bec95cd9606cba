import type { Device } from '@drover/protocol'
import type { Presence } from '../gateway/presence.ts'
import type { DeviceRecord } from '../model/device.ts'
import { formatTimeMicros } from '../model/time.ts'

/** A device as the API shows it. */
export function presentDevice(presence: Presence, record: DeviceRecord): Device {
  const { uid, id, profile, name, tags, location, parent, state } = record
  return {
    id,
    uid,
    profile,
    name,
    tags: [...tags],
    location,
    parent,
    state,
    createdAt: formatTimeMicros(record.createdAtMicros),
    updatedAt: formatTimeMicros(record.updatedAtMicros),
    connection: presence.connection(uid),
  }
}
