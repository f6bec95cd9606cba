import type { Configuration } from './config.ts'
import { systemClock } from './runtime/clock.ts'
import { openQueueServer, openRegistryAt, openStoreServer } from './threads/engines.ts'

/** An engine whose schema, topics or queues are as this version needs them. */
export interface Prepared {
  readonly setting: 'queue' | 'store' | 'registry'
  readonly kind: string
}

/**
 * Opens each server that the settings name, which makes or checks what it needs there, and closes it again. What comes along is
 * made when the server starts. Rejects with the error of the first one that cannot be used.
 */
export async function openEngines(
  { queue, store, registry, queryTimeoutMs }: Configuration,
  onWarning: (warning: string) => void,
): Promise<readonly Prepared[]> {
  const prepared: Prepared[] = []
  const prepare = async (
    setting: Prepared['setting'],
    kind: string,
    opening: Promise<{ close(): Promise<void> }>,
  ) => {
    await (await opening).close()
    prepared.push({ setting, kind })
  }
  if (registry.kind !== 'embedded')
    await prepare('registry', registry.kind, openRegistryAt(registry, systemClock.nowMicros))
  if (queue.kind !== 'embedded') await prepare('queue', queue.kind, openQueueServer(queue, onWarning))
  if (store.kind !== 'embedded')
    await prepare('store', store.kind, openStoreServer(store, { queryTimeoutMs, tidies: false }))
  return prepared
}
