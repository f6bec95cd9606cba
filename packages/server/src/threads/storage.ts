import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { openLogReader } from '@drover/log'
import { isDroverError } from '@drover/protocol'
import { GiveWay } from '../processing/give-way.ts'
import type { QueueAccess } from '../queue/access.ts'
import { systemClock } from '../runtime/clock.ts'
import { createIdleMeter } from '../runtime/idle-share.ts'
import { openEmbeddedStore } from '../store/embedded.ts'
import type { Store } from '../store/store.ts'
import {
  openConsumerSide,
  openDeviceProfilesAt,
  openStoreServer,
  type RegistryAccess,
  type StoreAccess,
} from './engines.ts'
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
  readonly queue: QueueAccess
  readonly store: StoreAccess
  readonly registry: RegistryAccess
  /** Of the queue, which may wait while storing gives way to acknowledging. */
  readonly waitingBytesMax: number
  /** Serves the store's reader. */
  readonly readerPort: MessagePort
}

export type StorageThreadAnswer = { readonly ready: true } | { readonly refused: CrossedError }

/** The storage thread: decodes, checks and stores, and answers queries. Started by `startStorage`. */
const port = parentPort!
const data = workerData as StorageThreadData
const main = connect<StorageListener>(port)
/** What is open, to be closed in reverse. */
const opened: { close(): Promise<void> | void }[] = []

const problem = (text: string) => {
  main.problem(text).catch(() => {})
}

function crossed(error: unknown): CrossedError {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return isDroverError(error) ? { text, code: error.code, details: error.details } : { text }
}

async function open<T extends { close(): Promise<void> | void }>(opening: Promise<T> | T): Promise<T> {
  const part = await opening
  opened.push(part)
  return part
}

async function closeAll(): Promise<void> {
  for (let part = opened.pop(); part; part = opened.pop()) await part.close()
}

/** Storing gives way to acknowledging only where both share this machine's processors and disk. */
async function openStore(): Promise<{ store: Store; giveWay: GiveWay | undefined }> {
  if (data.store.kind !== 'embedded')
    return { store: await open(openStoreServer(data.store, data.store)), giveWay: undefined }
  const onError = (error: unknown) => problem(`The store works on, but: ${crossed(error).text}`)
  const store = await open(openEmbeddedStore({ ...data.store, onError }))
  if (data.queue.kind !== 'embedded') return { store, giveWay: undefined }
  const log = await open(openLogReader(data.queue.directory))
  const giveWay = new GiveWay({
    idleShare: createIdleMeter(),
    arrived: () => log.nextPosition,
    hasOwnWork: () => store.isTidying,
    bytesMax: data.waitingBytesMax,
  })
  return { store, giveWay }
}

async function start(): Promise<void> {
  const { store, giveWay } = await openStore()
  const service = await startStorageService({
    store,
    giveWay,
    queue: await open(openConsumerSide(data.queue)),
    profiles: await open(openDeviceProfilesAt(data.registry)),
    nowMicros: systemClock.nowMicros,
    publish: (update) => main.live(update).catch(() => {}),
    onMessageFailure: (error) => problem(`A message could not be processed: ${crossed(error).text}`),
    onProblem: (error) => problem(`Storing starts again: ${crossed(error).text}`),
    onFailure: (error) => main.failed(crossed(error)).catch(() => {}),
  })
  serveReader(data.readerPort, store.reader)
  serve(port, {
    ...service,
    close: async () => {
      await service.close()
      await closeAll()
      // The answer still goes out; then nothing keeps the thread.
      setImmediate(closePorts)
    },
  } satisfies StorageService)
}

function closePorts(): void {
  for (const each of [port, data.readerPort]) each.close()
  if (data.queue.kind === 'embedded') data.queue.port.close()
}

try {
  await start()
  port.postMessage({ ready: true } satisfies StorageThreadAnswer)
} catch (error) {
  await closeAll().catch(() => {})
  port.postMessage({ refused: crossed(error) } satisfies StorageThreadAnswer)
  closePorts()
}
