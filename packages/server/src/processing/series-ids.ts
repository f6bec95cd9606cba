import type { StoreWriter } from '../store/store.ts'

/** Ids that are reserved at a time. */
const reserved = 4096

/** Ids for new series, reserved ahead, so that one is at hand in the middle of a message. */
export class SeriesIds {
  readonly #reserve: StoreWriter['reserveSeriesIds']
  #next = 0
  #end = 0
  #ahead: { readonly first: number; readonly count: number } | undefined

  constructor(reserve: StoreWriter['reserveSeriesIds']) {
    this.#reserve = reserve
  }

  /** Whether at least `count` can be taken, at most 4096. */
  has(count: number): boolean {
    return this.#end - this.#next + (this.#ahead?.count ?? 0) >= count
  }

  async refill(): Promise<void> {
    this.#ahead = await this.#reserve(reserved)
  }

  take(): number {
    if (this.#next === this.#end) {
      const { first, count } = this.#ahead!
      this.#ahead = undefined
      this.#next = first
      this.#end = first + count
    }
    return this.#next++
  }
}
