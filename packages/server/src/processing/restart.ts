import { errorTable, isDroverError } from '@drover/protocol'
import { retry } from '../runtime/retry.ts'
import { type Processing, type ProcessingOptions, startProcessing } from './run.ts'

export interface RestartingOptions extends ProcessingOptions {
  /** It starts again, and why. */
  readonly onRestart: (error: unknown) => void
  /** It has ended before it was asked to, and does not start again. */
  readonly onEnd: (error: unknown) => void
}

const firstDelayMs = 100
const delayMsMax = 5_000

/**
 * Processing of a queue that several processors share. When another one has taken over what this one was at, all that was
 * kept in memory may be old: it is dropped, and processing starts again from what the store says. The same when the queue
 * was away. Where there is one processor only, somebody else at its data is a failure.
 */
export async function startRestarting(options: RestartingOptions) {
  const { queue, onRestart, onEnd } = options
  const closing = new AbortController()
  const { signal } = closing
  let processing = await startProcessing(options)
  let restarting: Promise<void> = Promise.resolve()

  const restart = async () => {
    const { metrics } = processing
    metrics.restarts++
    metrics.positions = {}
    processing = await retry(() => startProcessing({ ...options, metrics }), {
      attemptsMax: Number.POSITIVE_INFINITY,
      firstDelayMs,
      delayMsMax,
      signal,
      retryable: (error) => !signal.aborted && mayPass(error),
    })
    if (signal.aborted) await processing.close()
    else watch(processing)
  }
  const watch = (running: Processing) => {
    running.done.catch((error) => {
      if (signal.aborted) return
      if (queue.capabilities.partitions === 'one' || !mayPass(error)) return onEnd(error)
      onRestart(error)
      restarting = restart().catch((failure) => {
        if (!signal.aborted) onEnd(failure)
      })
    })
  }
  watch(processing)
  return {
    get metrics() {
      return processing.metrics
    },
    devicesChanged: (...args: Parameters<Processing['devicesChanged']>) => processing.devicesChanged(...args),
    profileChanged: (...args: Parameters<Processing['profileChanged']>) => processing.profileChanged(...args),
    deleteDevice: (...args: Parameters<Processing['deleteDevice']>) => processing.deleteDevice(...args),
    reached: (...args: Parameters<Processing['reached']>) => processing.reached(...args),
    async close(): Promise<void> {
      closing.abort()
      await restarting
      await processing.close()
    },
  }
}

function mayPass(error: unknown): boolean {
  return isDroverError(error) && errorTable[error.code].retryable
}
