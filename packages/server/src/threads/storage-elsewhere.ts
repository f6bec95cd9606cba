import { emptyMetrics } from '../processing/metrics.ts'
import type { Store } from '../store/store.ts'
import type { Storage } from './storage-host.ts'
import { sessionsOf } from './storage-service.ts'

/** In a process that does not process: the store is asked here, and others are told by the registry what has changed. */
export function storageElsewhere({ reader, writer, backup }: Store): Storage {
  return {
    reader,
    watch: () => {},
    onLive: () => () => {},
    devicesChanged: async () => {},
    profileChanged: async () => {},
    deleteDevice: (deviceUid) => writer.deleteDevice(deviceUid),
    applyRetention: (olderThanMicros) => writer.applyRetention(olderThanMicros),
    backup,
    metrics: async () => ({ processing: emptyMetrics(), store: await reader.status() }),
    restoredSessions: async () => sessionsOf(await writer.loadKeys('all')),
    close: async () => {},
  }
}
