import type { ErrorCode, ErrorDetails } from '@drover/protocol'
import type { Interest } from '../live/interests.ts'
import type { GiveWay } from '../processing/give-way.ts'
import { LivePublisher, type LiveUpdate } from '../processing/live.ts'
import { clientIdOf } from '../processing/message-keys.ts'
import type { ProcessingMetrics } from '../processing/metrics.ts'
import type { DeviceProfiles } from '../processing/profiles.ts'
import { startRestarting } from '../processing/restart.ts'
import type { Queue } from '../queue/queue.ts'
import type { Store, StoreStatus } from '../store/store.ts'

/** What main asks of the storage thread. */
export interface StorageService {
  watch(devices: Interest): void
  devicesChanged(deviceUids: readonly number[] | 'all'): Promise<void>
  profileChanged(tenant: number, profile: string): Promise<void>
  deleteDevice(deviceUid: number): Promise<void>
  applyRetention(olderThanMicros: number): Promise<void>
  backup(directory: string): Promise<void>
  metrics(): Promise<StorageMetrics>
  /** Answers once what the queue held up to that position is stored, since packet ids are found there too, or after that time. */
  restoredSessions(lastPosition: number, timeoutMs: number): Promise<readonly RestoredSession[]>
  /** Stores what was taken from the queue; the store can be closed then. */
  close(): Promise<void>
}

/** What the storage thread tells main. */
export interface StorageListener {
  /** Answers when the update is taken. */
  live(update: LiveUpdate): void
  /** The thread goes on, but somebody should know. */
  problem(text: string): void
  /** Nothing more is stored until the process is started again; what is in the queue stays there. */
  failed(error: CrossedError): void
}

/** An error on its way between threads; `code` and `details` are those of a DroverError. */
export interface CrossedError {
  readonly text: string
  readonly code?: ErrorCode
  readonly details?: ErrorDetails
}

export interface StorageMetrics {
  readonly processing: ProcessingMetrics
  readonly store: StoreStatus
}

/** A session of MQTT that holds packet ids which were not released. */
export interface RestoredSession {
  readonly deviceUid: number
  readonly clientId: string
}

export interface StorageParts {
  readonly store: Store
  readonly queue: Pick<Queue, 'consume' | 'capabilities'>
  readonly profiles: DeviceProfiles
  readonly nowMicros: () => number
  readonly giveWay?: GiveWay
  readonly publish: (update: LiveUpdate) => Promise<void>
  /** An error of the program at one message, which is in quarantine. */
  readonly onMessageFailure: (error: unknown) => void
  /** Processing starts again, because another processor has taken over or the queue was away. */
  readonly onProblem?: (error: unknown) => void
  /** Processing has ended before it was asked to; what is in the queue stays there. */
  readonly onFailure: (error: unknown) => void
}

const livePeriodMs = 50

/** The storage thread's work, on whatever thread. */
export async function startStorageService(parts: StorageParts): Promise<StorageService> {
  const { store, queue, profiles, nowMicros, publish, onMessageFailure } = parts
  const live = new LivePublisher({ publish, periodMs: livePeriodMs })
  const { writer } = store
  const processing = await startRestarting({
    queue,
    writer,
    profiles,
    live,
    nowMicros,
    giveWay: parts.giveWay,
    onFailure: onMessageFailure,
    onRestart: (error) => parts.onProblem?.(error),
    onEnd: parts.onFailure,
  })
  return {
    watch: (devices) => live.watch(devices),
    devicesChanged: (deviceUids) => processing.devicesChanged(deviceUids),
    profileChanged: (tenant, profile) => processing.profileChanged(tenant, profile),
    deleteDevice: (deviceUid) => processing.deleteDevice(deviceUid),
    applyRetention: (olderThanMicros) => writer.applyRetention(olderThanMicros),
    backup: (directory) => store.backup(directory),
    metrics: async () => ({ processing: processing.metrics, store: await store.reader.status() }),
    restoredSessions: async (lastPosition, timeoutMs) => {
      await processing.reached(lastPosition, timeoutMs)
      return sessionsOf(await writer.loadKeys('all'))
    },
    close: async () => {
      await processing.close()
      live.close()
    },
  }
}

/** As of the start: what main needs to know before the first client comes back. */
export function sessionsOf(
  keys: readonly { readonly deviceUid: number; readonly key: string }[],
): RestoredSession[] {
  const sessions = new Map<string, RestoredSession>()
  for (const { deviceUid, key } of keys) {
    const clientId = clientIdOf(key)
    if (clientId !== undefined) sessions.set(`${deviceUid}/${clientId}`, { deviceUid, clientId })
  }
  return [...sessions.values()]
}
