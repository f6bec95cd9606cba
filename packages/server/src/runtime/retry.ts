import { setTimeout as sleepFor } from 'node:timers/promises'

export interface RetryOptions {
  /** Whether the failure may go away by itself. */
  readonly retryable: (error: unknown) => boolean
  readonly attemptsMax: number
  /** The wait before the second attempt; it doubles with each, up to `delayMsMax`. */
  readonly firstDelayMs: number
  readonly delayMsMax: number
  readonly signal?: AbortSignal
  readonly sleep?: (delayMs: number, signal: AbortSignal | undefined) => Promise<unknown>
  /** 0 ≤ random() < 1. */
  readonly random?: () => number
}

/** The answer of the first attempt that succeeds; else the error of the last one, or of the first that is not retryable. */
export async function retry<T>(operation: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { sleep = (delayMs, signal) => sleepFor(delayMs, undefined, { signal }) } = options
  for (let attempt = 1; ; attempt++) {
    try {
      return await operation()
    } catch (error) {
      if (attempt >= options.attemptsMax || !options.retryable(error)) throw error
    }
    await sleep(delayMs(attempt, options), options.signal)
  }
}

/** Between half and all of the doubled delay, so that those who failed together do not come back together. */
function delayMs(attempt: number, { firstDelayMs, delayMsMax, random = Math.random }: RetryOptions): number {
  const full = Math.min(delayMsMax, firstDelayMs * 2 ** (attempt - 1))
  return full * (0.5 + random() / 2)
}
