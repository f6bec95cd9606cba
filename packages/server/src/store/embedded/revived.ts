import { DroverError } from '@drover/protocol'
import { storeUnavailable } from './transaction.ts'

export interface Revivable<T> {
  /** `before`: the one that broke, if it is not the first. */
  readonly open: (before: T | undefined) => Promise<T>
  readonly isBroken: (opened: T) => boolean
  readonly close: (opened: T) => Promise<void>
}

/** Something open that is closed and opened again, by the next who wants it, after it broke. */
export class Revived<T> {
  readonly #options: Revivable<T>
  #last: T
  #open: boolean
  #reviving: Promise<T> | undefined
  #closed = false

  private constructor(options: Revivable<T>, opened: T) {
    this.#options = options
    this.#last = opened
    this.#open = true
  }

  static async open<T>(options: Revivable<T>): Promise<Revived<T>> {
    return new Revived(options, await options.open(undefined))
  }

  /** Rejects with `storeUnavailable` when it cannot be opened again yet. */
  async get(): Promise<T> {
    if (this.#closed) throw new DroverError('shuttingDown')
    if (this.#reviving) return this.#reviving
    if (this.#open && !this.#options.isBroken(this.#last)) return this.#last
    this.#reviving = this.#revive().finally(() => {
      this.#reviving = undefined
    })
    return this.#reviving
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#reviving?.catch(() => {})
    if (this.#open) await this.#options.close(this.#last)
  }

  async #revive(): Promise<T> {
    try {
      if (this.#open) await this.#options.close(this.#last)
      this.#open = false
      this.#last = await this.#options.open(this.#last)
      this.#open = true
      return this.#last
    } catch (error) {
      throw storeUnavailable(error)
    }
  }
}
