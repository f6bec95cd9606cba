import { locks } from './locks.ts'
import { purge } from './removal.ts'
import type { StoreState } from './state.ts'
import { refreshSums } from './sums.ts'

const everyMs = 60_000

/** Sums up and removes in the background, in one process of all that share the tables. */
export class Tidying {
  readonly #state: StoreState
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()
  #closed = false

  constructor(state: StoreState) {
    this.#state = state
    if (state.options.maintenance === 'automatic') this.#later()
  }

  /** Now; nothing while another process does it. */
  run(): Promise<void> {
    const run = this.#running.then(() => this.#once())
    this.#running = run.catch(() => {})
    return run
  }

  /** Stops what runs; the next start goes on with it. */
  close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    const { tidying, writing } = this.#state
    if (tidying !== writing) tidying.abort()
    return this.#running
  }

  #later(): void {
    if (this.#closed) return
    this.#timer = setTimeout(() => {
      this.run()
        .catch((error) => this.#closed || this.#state.options.onError(error))
        .finally(() => this.#later())
    }, everyMs).unref()
  }

  /** The claim ends with its connection. It only saves work: two at once would stop each other. */
  async #once(): Promise<void> {
    const { tidying, schema, options } = this.#state
    if (options.oneTransaction) return this.#work()
    await tidying.use(async (session) => {
      const key = `${locks.tidying}, hashtext('${schema.replaceAll("'", "''")}')`
      const [row] = await session.arrays(`SELECT pg_try_advisory_lock(${key})`)
      if (row![0] !== true) return
      try {
        await this.#work()
      } finally {
        await session.arrays(`SELECT pg_advisory_unlock(${key})`)
      }
    })
  }

  async #work(): Promise<void> {
    await refreshSums(this.#state)
    await purge(this.#state)
  }
}
