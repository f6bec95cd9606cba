import { setTimeout as sleep } from 'node:timers/promises'
import { consumerName } from './processing/run.ts'
import type { Queue } from './queue/queue.ts'
import type { Storage } from './threads/storage-host.ts'
import type { RestoredSession } from './threads/storage-service.ts'

/** With more waiting in the queue than is stored in this time, the start goes on with the sessions known by then. */
const timeoutMs = 10_000
const periodMs = 100
/** A queue without positions of its own counts as stored when nothing waits in it, and nothing was stored, for so long. */
const quietMs = 1_000

/** Sessions of MQTT that hold packet ids; those that are in the queue yet are waited for, before a client may come back. */
export async function restoredSessions(
  queue: Pick<Queue, 'status' | 'capabilities'>,
  storage: Pick<Storage, 'restoredSessions' | 'metrics'>,
): Promise<readonly RestoredSession[]> {
  const last = (await queue.status()).nextPosition - 1
  if (queue.capabilities.partitions === 'one') return storage.restoredSessions(last, timeoutMs)
  const deadline = performance.now() + timeoutMs
  const isStored = queue.capabilities.startAtPosition
    ? async () => ((await queue.status()).committed[consumerName] ?? 0) >= last
    : quietCheck(queue, storage)
  while (!(await isStored()) && performance.now() < deadline) await sleep(periodMs)
  return storage.restoredSessions(0, 0)
}

function quietCheck(queue: Pick<Queue, 'status'>, storage: Pick<Storage, 'metrics'>) {
  let stored = -1
  let quietSince = performance.now()
  return async () => {
    const { processing } = await storage.metrics()
    const { nextPosition } = await queue.status()
    if (nextPosition > 1 || processing.messages !== stored) quietSince = performance.now()
    stored = processing.messages
    return performance.now() - quietSince >= quietMs
  }
}
