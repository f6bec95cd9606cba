import type { PresenceToKeep } from '../gateway/presence.ts'
import type { Registry } from '../registry/registry.ts'
import type { Clock } from '../runtime/clock.ts'

export interface KeepPresenceOptions {
  readonly directory: PresenceToKeep
  readonly registry: Pick<Registry, 'transaction'>
  readonly clock: Pick<Clock, 'every'>
  /** What could not be kept is tried again, after a minute. */
  readonly onError: (error: Error) => void
}

const periodMs = 1_000
const retryPeriods = 60
/** One transaction, some ms of this thread: of 100,000 devices that come back at once all are kept within 20 s. */
const devicesMax = 5_000

/** Writes down behind the directory's back who is there, so that it is known after a restart; `close` finishes that. */
export function keepPresence({ directory, registry, clock, onError }: KeepPresenceOptions) {
  let running: Promise<void> | undefined
  let periodsToWait = 0
  const keep = (last = false) =>
    directory.keepChanges(
      (presence) => registry.transaction((tables) => tables.connections.put(presence)),
      devicesMax,
      last,
    )
  const keepSome = async () => {
    try {
      await keep()
    } catch (error) {
      periodsToWait = retryPeriods
      onError(error as Error)
    }
  }
  const stop = clock.every(periodMs, () => {
    if (running) return
    if (periodsToWait > 0) {
      periodsToWait--
      return
    }
    running = keepSome().finally(() => {
      running = undefined
    })
  })
  return {
    async close(): Promise<void> {
      stop()
      await running
      while ((await keep(true)) > 0);
    },
  }
}
