/** Something about one connection that an operator should be able to find in the log. */
export interface Notice {
  readonly level: 'info' | 'warn' | 'error'
  readonly message: string
  readonly details: Readonly<Record<string, string | number>>
}

export type NoticeSink = (notice: Notice) => void

const perSecondMax = 20

/** Passes notices on, so many a second; then says how many were left out, so that one bad device does not fill the log. */
export class NoticeLimiter {
  readonly #sink: NoticeSink
  #left = perSecondMax
  #leftOut = 0

  constructor(sink: NoticeSink) {
    this.#sink = sink
  }

  add(notice: Notice): void {
    if (this.#left > 0) {
      this.#left--
      this.#sink(notice)
    } else this.#leftOut++
  }

  /** To be called about once a second. */
  tick(): void {
    if (this.#leftOut > 0)
      this.#sink({
        level: 'warn',
        message: 'left out notices of the last second',
        details: { count: this.#leftOut },
      })
    this.#left = perSecondMax
    this.#leftOut = 0
  }
}
