import type { Configuration } from '../config.ts'
import type { DeviceProfiles } from '../processing/profiles.ts'
import type { QueueAccess } from '../queue/access.ts'
import { connectConsumer, connectProducer } from '../queue/embedded.ts'
import type { Queue } from '../queue/queue.ts'
import { openDeviceProfiles } from '../registry/device-profiles.ts'
import { openRegistry, type Registry } from '../registry/registry.ts'
import type { EmbeddedStoreOptions } from '../store/embedded.ts'
import type { Store } from '../store/store.ts'

/**
 * The one place where a setting becomes a driver. Main and the threads open what they need for themselves; only what is
 * embedded has one owner, which the others reach by ports. A driver's library is loaded when it is chosen.
 */

type External<Setting> = Exclude<Setting, { readonly kind: 'embedded' }>
export type QueueServer = External<Configuration['queue']>
export type StoreServer = External<Configuration['store']>
export type RegistryServer = External<Configuration['registry']>

export interface StoreServerOptions {
  readonly queryTimeoutMs: number
  /** Whether it also tidies up in the background, which one client of a process does. */
  readonly tidies: boolean
}

/** How a thread opens the store. */
export type StoreAccess =
  | ({ readonly kind: 'embedded' } & EmbeddedStoreOptions)
  | (StoreServer & StoreServerOptions)

/** How a thread opens the registry. */
export type RegistryAccess = { readonly kind: 'embedded'; readonly path: string } | RegistryServer

/** A client of its own. Rejects with `queueUnavailable` or `badConfiguration`. */
export async function openQueueServer(
  { kind, url }: QueueServer,
  onWarning?: (warning: string) => void,
): Promise<Queue> {
  if (kind === 'kafka') return (await import('../queue/kafka.ts')).openKafkaQueue({ url, onWarning })
  return (await import('../queue/rabbitmq.ts')).openRabbitmqQueue({ url })
}

/** A client of its own. Rejects with `storeUnavailable` or `badConfiguration`. */
export async function openStoreServer(
  { kind, url }: StoreServer,
  { queryTimeoutMs, tidies }: StoreServerOptions,
): Promise<Store> {
  if (kind === 'cassandra')
    return (await import('../store/cassandra.ts')).openCassandraStore({ url, queryTimeoutMs })
  const maintenance = tidies ? 'automatic' : 'asked'
  if (kind === 'timescale')
    return (await import('../store/timescale.ts')).openTimescaleStore({ url, queryTimeoutMs, maintenance })
  return (await import('../store/postgres.ts')).openPostgresStore({ url, queryTimeoutMs, maintenance })
}

export async function openRegistryAt(access: RegistryAccess, nowMicros: () => number): Promise<Registry> {
  if (access.kind === 'embedded') return openRegistry({ path: access.path, nowMicros })
  return (await import('../registry/postgres.ts')).openPostgresRegistry({ url: access.url, nowMicros })
}

/** What processing asks of the registry, by a connection of its own. */
export async function openDeviceProfilesAt(
  access: RegistryAccess,
): Promise<DeviceProfiles & { close(): Promise<void> }> {
  if (access.kind === 'embedded') return openDeviceProfiles(access)
  return (await import('../registry/postgres.ts')).openPostgresDeviceProfiles(access)
}

export interface Producer extends Pick<Queue, 'append'> {
  close(): Promise<void>
}

/** What a thread appends by. */
export async function openProducer(access: QueueAccess): Promise<Producer> {
  if (access.kind !== 'embedded') return openQueueServer(access)
  const { port } = access
  return { ...connectProducer(port), close: async () => port.close() }
}

export interface ConsumerSide extends Pick<Queue, 'consume' | 'capabilities'> {
  close(): Promise<void>
}

/** What a thread consumes by. */
export async function openConsumerSide(access: QueueAccess): Promise<ConsumerSide> {
  if (access.kind !== 'embedded') return openQueueServer(access)
  const { port, directory } = access
  return {
    ...connectConsumer(port, directory),
    capabilities: { startAtPosition: true, partitions: 'one', retention: 'committed' },
    close: async () => port.close(),
  }
}
