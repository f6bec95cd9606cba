import { type QualityCode, quality } from '../store/points.ts'

/** Suspects in a row, each credible after the one before it, after which the next such value is the new level. */
export const suspectsUntilAccepted = 3

/**
 * Judges how fast one metric changes. A value is compared with the last good one, so that one spike marks only itself.
 * A level that really changed is accepted again: the value that follows `suspectsUntilAccepted` suspects in a row, each of
 * which is credible after the one before it, is good. A value that came late, or at the same time again, is judged but
 * changes nothing for those that follow. After a restart the last stored value is what the next is compared with, if
 * it was good.
 */
export class RateOfChange {
  perSecondMax: number
  #goodTime = Number.NaN
  #good = 0
  #suspectTime = Number.NaN
  #suspect = 0
  #suspects = 0

  constructor(perSecondMax: number) {
    this.perSecondMax = perSecondMax
  }

  /** A value is known to be good. */
  seed(value: number, timeMicros: number): void {
    this.#good = value
    this.#goodTime = timeMicros
    this.#suspects = 0
  }

  judge(value: number, timeMicros: number): QualityCode {
    if (Number.isNaN(this.#goodTime)) return this.#accept(value, timeMicros)
    if (!this.#credible(value, timeMicros, this.#good, this.#goodTime)) return this.#doubt(value, timeMicros)
    return timeMicros > this.#goodTime ? this.#accept(value, timeMicros) : quality.good
  }

  #accept(value: number, timeMicros: number): QualityCode {
    this.seed(value, timeMicros)
    return quality.good
  }

  #doubt(value: number, timeMicros: number): QualityCode {
    if (timeMicros <= this.#goodTime || (this.#suspects > 0 && timeMicros <= this.#suspectTime))
      return quality.suspect
    const goesOn = this.#suspects > 0 && this.#credible(value, timeMicros, this.#suspect, this.#suspectTime)
    if (goesOn && this.#suspects >= suspectsUntilAccepted) return this.#accept(value, timeMicros)
    this.#suspects = goesOn ? this.#suspects + 1 : 1
    this.#suspect = value
    this.#suspectTime = timeMicros
    return quality.suspect
  }

  /** At one time there is no rate: the later of two values takes the place of the earlier. */
  #credible(value: number, timeMicros: number, reference: number, referenceTime: number): boolean {
    const seconds = Math.abs(timeMicros - referenceTime) / 1e6
    return seconds === 0 || Math.abs(value - reference) <= this.perSecondMax * seconds
  }
}
