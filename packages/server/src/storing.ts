import { resumeDeletions } from './devices/delete.ts'
import { LiveFeed } from './live/feed.ts'
import type { PartInput } from './parts.ts'
import type { QueueAccess } from './queue/access.ts'
import { ReceiptClock } from './queue/batch.ts'
import { type EmbeddedQueue, openEmbeddedQueue } from './queue/embedded.ts'
import type { Queue } from './queue/queue.ts'
import type { Registry } from './registry/registry.ts'
import { systemClock } from './runtime/clock.ts'
import type { Store } from './store/store.ts'
import { openQueueServer, openStoreServer, type RegistryAccess, type StoreAccess } from './threads/engines.ts'
import { storageElsewhere } from './threads/storage-elsewhere.ts'
import { type Storage, startStorage } from './threads/storage-host.ts'

/** Of the embedded queue; read again in one to two seconds. */
const replayBytesMax = 256 << 20
const retentionPeriodMs = 3_600_000
const dayMicros = 86_400_000_000

export type Storing = Awaited<ReturnType<typeof startStoring>>

/** From the queue to the chart: queue, storage thread, live feed. */
export async function startStoring(input: PartInput, registry: Registry) {
  const { queue, embedded, access } = await startQueue(input)
  const sharedClock = new SharedArrayBuffer(8)
  const clock = new ReceiptClock(sharedClock, systemClock.nowMicros)
  clock.startAfter((await queue.status()).lastReceivedAt)
  const store = await startStore(input)
  const processes = input.configuration.roles.includes('processor')
  const storage = store && !processes ? storageElsewhere(store) : await startThread(input, access.consumer())
  const reader = store?.reader ?? storage.reader
  if (processes) await startRetention(input, storage)
  const live = new LiveFeed({
    clock: systemClock,
    boot: registry.instance,
    onInterest: (interest) => storage.watch(interest),
  })
  storage.onLive(({ events, gap }) => {
    if (gap) live.publishGap()
    for (const event of events) live.publish(event)
  })
  await resumeDeletions({ registry, storage })
  return { queue, embedded, producer: access.producer, sharedClock, clock, storage, reader, live }
}

interface StartedQueue {
  readonly queue: Queue
  /** The queue, if it is the one that comes along. */
  readonly embedded: EmbeddedQueue | undefined
  /** How a thread reaches it, to append and to consume. */
  readonly access: { producer(): QueueAccess; consumer(): QueueAccess }
}

async function startQueue({ configuration, lifecycle, paths, onFailure }: PartInput): Promise<StartedQueue> {
  const server = configuration.queue
  if (server.kind !== 'embedded') {
    const queue = await lifecycle.start(
      'queue',
      () => openQueueServer(server),
      (part) => part.close(),
    )
    return { queue, embedded: undefined, access: { producer: () => server, consumer: () => server } }
  }
  const { logBytesMax: bytesMax, diskReserveBytes, handoffBytesMax } = configuration
  const directory = paths.log
  const embedded = await lifecycle.start(
    'queue',
    () => openEmbeddedQueue({ directory, bytesMax, diskReserveBytes, handoffBytesMax, onFailure }),
    (part) => part.close(),
  )
  const at = (port: ReturnType<EmbeddedQueue['producerPort']>) => ({
    kind: 'embedded' as const,
    port,
    directory,
  })
  const access = {
    producer: () => at(embedded.producerPort()),
    consumer: () => at(embedded.consumerPort()),
  }
  return { queue: embedded, embedded, access }
}

function startThread(input: PartInput, queue: QueueAccess): Promise<Storage> {
  const { configuration, log, lifecycle, onFailure } = input
  const { logBytesMax, queryTimeoutMs } = configuration
  return lifecycle.start(
    'storage',
    () =>
      startStorage({
        queue,
        store: storeAccess(input),
        registry: registryAccess(input),
        waitingBytesMax: logBytesMax / 4,
        queryTimeoutMs,
        log,
        onFailure,
      }),
    (part) => part.close(),
  )
}

function storeAccess({ configuration, paths }: PartInput): StoreAccess {
  const { store, queryTimeoutMs, storeThreads: threads, hotPointsMax, logBytesMax } = configuration
  if (store.kind !== 'embedded') return { ...store, queryTimeoutMs, tidies: true }
  return {
    kind: 'embedded',
    directory: paths.store,
    memoryLimitBytes: configuration.storeMemoryBytes,
    threads,
    hotPointsMax,
    replayBytesMax: Math.min(replayBytesMax, logBytesMax / 4),
    queryTimeoutMs,
  }
}

export function registryAccess({ configuration, paths }: PartInput): RegistryAccess {
  const { registry } = configuration
  return registry.kind === 'embedded' ? { kind: 'embedded', path: paths.registry } : registry
}

/** A store on a server is read from this thread; the embedded one has its reader in the storage thread. */
async function startStore({ configuration, lifecycle }: PartInput): Promise<Store | undefined> {
  const { store: server, queryTimeoutMs } = configuration
  if (server.kind === 'embedded') return undefined
  return lifecycle.start(
    'store',
    () => openStoreServer(server, { queryTimeoutMs, tidies: false }),
    (part) => part.close(),
  )
}

async function startRetention({ configuration, lifecycle, onFailure }: PartInput, storage: Storage) {
  const { retentionDays } = configuration
  if (retentionDays === 'forever') return
  const apply = () =>
    storage.applyRetention(systemClock.nowMicros() - retentionDays * dayMicros).catch(onFailure)
  await lifecycle.start(
    'retention',
    () => systemClock.every(retentionPeriodMs, apply),
    (stop) => stop(),
  )
}
