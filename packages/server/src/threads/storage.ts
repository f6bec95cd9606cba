import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { openLogReader } from '@drover/log'
import { isDroverError } from '@drover/protocol'
import { GiveWay } from '../processing/give-way.ts'
import { connectConsumer } from '../queue/embedded-consumer.ts'
import { openDeviceProfiles } from '../registry/device-profiles.ts'
import { systemClock } from '../runtime/clock.ts'
import { createIdleMeter } from '../runtime/idle-share.ts'
import { type EmbeddedStore, type EmbeddedStoreOptions, openEmbeddedStore } from '../store/embedded.ts'
import { serveReader } from './reader.ts'
import { connect, serve } from './rpc.ts'
import {
  type CrossedError,
  type StorageListener,
  type StorageService,
  startStorageService,
} from './storage-service.ts'

/** What the storage thread is started with. */
export interface StorageThreadData {
  readonly store: EmbeddedStoreOptions
  readonly registryPath: string
  readonly logDirectory: string
  /** Of the queue, which may wait while storing gives way to acknowledging. */
  readonly waitingBytesMax: number
  /** To the log (`connectConsumer`). */
  readonly consumerPort: MessagePort
  /** Serves the store's reader. */
  readonly readerPort: MessagePort
}

export type StorageThreadAnswer = { readonly ready: true } | { readonly refused: CrossedError }

/** The storage thread: decodes, checks and stores, and answers queries. Started by `startStorage`. */
const port = parentPort!
const data = workerData as StorageThreadData
const main = connect<StorageListener>(port)

const problem = (text: string) => {
  main.problem(text).catch(() => {})
}

function crossed(error: unknown): CrossedError {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return isDroverError(error) ? { text, code: error.code, details: error.details } : { text }
}

async function start(store: EmbeddedStore): Promise<void> {
  const log = openLogReader(data.logDirectory)
  const profiles = await openDeviceProfiles({ path: data.registryPath })
  const service = await startStorageService({
    store,
    queue: connectConsumer(data.consumerPort, data.logDirectory),
    profiles,
    nowMicros: systemClock.nowMicros,
    giveWay: new GiveWay({
      idleShare: createIdleMeter(),
      arrived: () => log.nextPosition,
      hasOwnWork: () => store.isTidying,
      bytesMax: data.waitingBytesMax,
    }),
    publish: (update) => main.live(update).catch(() => {}),
    onMessageFailure: (error) => problem(`A message could not be processed: ${crossed(error).text}`),
    onFailure: (error) => main.failed(crossed(error)).catch(() => {}),
  })
  serveReader(data.readerPort, store.reader)
  serve(port, {
    ...service,
    close: async () => {
      await service.close()
      await profiles.close()
      log.close()
      // The answer still goes out; then nothing keeps the thread.
      setImmediate(closePorts)
    },
  } satisfies StorageService)
}

function closePorts(): void {
  for (const each of [port, data.consumerPort, data.readerPort]) each.close()
}

async function openAndStart(): Promise<void> {
  const onError = (error: unknown) => problem(`The store works on, but: ${crossed(error).text}`)
  const store = await openEmbeddedStore({ ...data.store, onError })
  try {
    await start(store)
  } catch (error) {
    await store.close()
    throw error
  }
}

try {
  await openAndStart()
  port.postMessage({ ready: true } satisfies StorageThreadAnswer)
} catch (error) {
  port.postMessage({ refused: crossed(error) } satisfies StorageThreadAnswer)
  closePorts()
}
