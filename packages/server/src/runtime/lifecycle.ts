import type { Logger } from './logger.ts'

interface RunningPart {
  readonly name: string
  readonly stop: () => Promise<void> | void
}

/** Starts the parts of the process in order and stops them in reverse. */
export class Lifecycle {
  readonly #log: Pick<Logger, 'debug' | 'error'>
  readonly #running: RunningPart[] = []
  #stopping: Promise<boolean> | undefined

  constructor(log: Pick<Logger, 'debug' | 'error'>) {
    this.#log = log
  }

  /** Starts a part; `stop` is called with it at the end. When a start fails, the caller stops what runs already. */
  async start<T>(
    name: string,
    start: () => Promise<T> | T,
    stop: (part: T) => Promise<void> | void,
  ): Promise<T> {
    const startedAt = performance.now()
    const part = await start()
    this.#running.push({ name, stop: () => stop(part) })
    this.#log.debug({ part: name, ms: Math.round(performance.now() - startedAt) }, 'started')
    return part
  }

  /**
   * Stops all parts, the last started first. No stop takes longer than what is left of `timeoutMs`, of which the parts
   * still to come keep an equal share. Answers whether every part stopped in time and without an error. A second
   * call answers as the first.
   */
  stop(timeoutMs: number): Promise<boolean> {
    this.#stopping ??= this.#stopAll(timeoutMs)
    return this.#stopping
  }

  async #stopAll(timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs
    let clean = true
    for (let part = this.#running.pop(); part; part = this.#running.pop()) {
      const leftMs = Math.max(0, deadline - performance.now())
      // Up to half of what is left, so that one part that hangs leaves the rest their time.
      const partMs = this.#running.length === 0 ? leftMs : leftMs / 2
      if (!(await this.#stopOne(part, partMs))) clean = false
    }
    return clean
  }

  async #stopOne({ name, stop }: RunningPart, timeoutMs: number): Promise<boolean> {
    const { promise: late, resolve } = Promise.withResolvers<'late'>()
    const timer = setTimeout(resolve, timeoutMs, 'late')
    try {
      const outcome = await Promise.race([Promise.resolve(stop()), late])
      if (outcome === 'late') this.#log.error({ part: name, timeoutMs }, 'did not stop in time')
      else this.#log.debug({ part: name }, 'stopped')
      return outcome !== 'late'
    } catch (error) {
      this.#log.error({ part: name, error }, 'failed to stop')
      return false
    } finally {
      clearTimeout(timer)
    }
  }
}
