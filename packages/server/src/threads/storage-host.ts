import { on } from 'node:events'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { DroverError, isDroverError, limits } from '@drover/protocol'
import type { Interest } from '../live/interests.ts'
import type { LiveUpdate } from '../processing/live.ts'
import type { QueueAccess } from '../queue/access.ts'
import type { Logger } from '../runtime/logger.ts'
import type { StoreReader } from '../store/store.ts'
import type { RegistryAccess, StoreAccess } from './engines.ts'
import { connectReader } from './reader.ts'
import { connect, type Remote, serve } from './rpc.ts'
import type { StorageThreadAnswer, StorageThreadData } from './storage.ts'
import type {
  CrossedError,
  RestoredSession,
  StorageListener,
  StorageMetrics,
  StorageService,
} from './storage-service.ts'

export interface StorageOptions {
  readonly queue: QueueAccess
  readonly store: StoreAccess
  readonly registry: RegistryAccess
  /** Of the queue, which may wait while storing gives way to acknowledging. */
  readonly waitingBytesMax: number
  readonly queryTimeoutMs: number
  readonly log: Pick<Logger, 'warn'>
  /** The thread has failed: nothing is stored any more, and this process should stop. What is in the queue stays there. */
  readonly onFailure: (error: Error) => void
}

/** The storage thread, as main sees it. */
export interface Storage {
  /** A call rejects with `queryTimedOut` or, when too many wait, `tooManyRequests`. */
  readonly reader: StoreReader
  /** Whose points and bad values `onLive` listeners are to get; nobody's at first. */
  watch(devices: Interest): void
  /** Returns how to stop. */
  onLive(listener: (update: LiveUpdate) => void): () => void
  /** Answers once messages that are stored from then on are judged by what the registry says now. */
  devicesChanged(deviceUids: readonly number[] | 'all'): Promise<void>
  profileChanged(tenant: number, profile: string): Promise<void>
  /** The device is gone from the registry: nothing of it is stored or shown any more. */
  deleteDevice(deviceUid: number): Promise<void>
  applyRetention(olderThanMicros: number): Promise<void>
  backup(directory: string): Promise<void>
  metrics(): Promise<StorageMetrics>
  /** Sessions of MQTT that hold unreleased packet ids, once everything up to the queue's position is stored or the time is over. */
  restoredSessions(lastPosition: number, timeoutMs: number): Promise<readonly RestoredSession[]>
  /** Stores what was taken from the queue, closes the store and ends the thread. */
  close(): Promise<void>
}

/** How much longer main waits than the store may take, so that the store's own answer comes first. */
const answerTimeoutMs = 1_000

/** Starts the storage thread. Rejects with `identityMismatch`, `corruptData` or what else keeps the store from opening. */
export async function startStorage(options: StorageOptions): Promise<Storage> {
  const reading = new MessageChannel()
  const worker = startWorker(options, reading.port2)
  const exited = new Promise((resolve) => worker.once('exit', resolve))
  const answer = await firstAnswer(worker)
  if ('refused' in answer) {
    await exited
    reading.port1.close()
    throw uncrossed(answer.refused)
  }
  return connectStorage(worker, reading.port1, exited, options)
}

/** Rejects when the thread fails before it answers. */
async function firstAnswer(worker: Worker): Promise<StorageThreadAnswer> {
  for await (const [message] of on(worker, 'message') as AsyncIterable<[object]>)
    if ('ready' in message || 'refused' in message) return message as StorageThreadAnswer
  throw new DroverError('storeUnavailable', { reason: 'the storage thread has stopped' })
}

function startWorker(options: StorageOptions, readerPort: MessagePort): Worker {
  const { queue, store, registry, waitingBytesMax } = options
  const workerData: StorageThreadData = { queue, store, registry, waitingBytesMax, readerPort }
  return new Worker(new URL('./storage.ts', import.meta.url), {
    workerData,
    transferList: queue.kind === 'embedded' ? [queue.port, readerPort] : [readerPort],
    name: 'storage',
  })
}

/** What main needs of the thread's end: a Worker, or a port that somebody serves. */
type ServicePort = Pick<MessagePort, 'postMessage' | 'on'>

/** Main's side of a storage service at `port`, with its reader at `readerPort`. */
export function connectStorage(
  port: ServicePort | Worker,
  readerPort: MessagePort,
  exited: Promise<unknown>,
  { queryTimeoutMs, log, onFailure }: Pick<StorageOptions, 'queryTimeoutMs' | 'log' | 'onFailure'>,
): Storage {
  const listeners = new Set<(update: LiveUpdate) => void>()
  const service = connect<StorageService>(port)
  const reader = connectReader(readerPort, {
    waitingMax: limits.queriesWaitingMax,
    timeoutMs: queryTimeoutMs + answerTimeoutMs,
  })
  serve(port, {
    live: (update) => {
      for (const listener of listeners) listener(update)
    },
    problem: (text) => log.warn(text),
    failed: (error) => onFailure(uncrossed(error)),
  } satisfies StorageListener)
  port.on('error', onFailure)
  return {
    ...methodsOf(service),
    reader,
    onLive(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close: closing(service, readerPort, exited),
  }
}

function methodsOf(service: Remote<StorageService>): Omit<Storage, 'reader' | 'onLive' | 'close'> {
  return {
    watch: (devices) => {
      // Best effort, as the feed itself: the thread may be gone.
      service.watch(devices).catch(() => {})
    },
    devicesChanged: (deviceUids) => service.devicesChanged(deviceUids),
    profileChanged: (tenant, profile) => service.profileChanged(tenant, profile),
    deleteDevice: (deviceUid) => service.deleteDevice(deviceUid),
    applyRetention: (olderThanMicros) => service.applyRetention(olderThanMicros),
    backup: (directory) => service.backup(directory),
    metrics: () => service.metrics(),
    restoredSessions: (lastPosition, timeoutMs) => service.restoredSessions(lastPosition, timeoutMs),
  }
}

/** Closes once, whoever asks. */
function closing(service: Remote<StorageService>, readerPort: MessagePort, exited: Promise<unknown>) {
  let closed: Promise<void> | undefined
  const close = async () => {
    // A thread that has failed has nothing more to store.
    await service.close().catch((error) => {
      if (!isDroverError(error, 'shuttingDown')) throw error
    })
    readerPort.close()
    await exited
  }
  return () => {
    closed ??= close()
    return closed
  }
}

function uncrossed({ text, code, details }: CrossedError): Error {
  return code === undefined ? new Error(text) : new DroverError(code, details)
}
