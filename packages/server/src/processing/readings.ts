import { limits } from '@drover/protocol'
import type { Refusal } from '../quality/refusal.ts'

/** A part of a message that could not be read, or must not be stored. */
export interface RefusedPart extends Refusal {
  readonly metric: string | null
}

/** Longer columns are given back after their message. */
const columnsKept = 256

/** What was read from one message, in columns that are used again for the next, so that nothing is allocated a value. */
export class Readings {
  length = 0
  readonly metric: string[] = []
  readonly value: unknown[] = []
  /** µs since 1970; NaN: the time of receipt. */
  readonly timeMicros: number[] = []
  /** Whether the same metric may stand here twice for the same time; then the last one counts. */
  mayRepeat = false
  /** Units that the message itself names, by metric. */
  readonly units = new Map<string, string>()
  readonly refused: RefusedPart[] = []

  get tooMany(): boolean {
    return this.length + this.refused.length > limits.valuesPerMessageMax
  }

  add(metric: string, value: unknown, timeMicros: number): void {
    const at = this.length++
    this.metric[at] = metric
    this.value[at] = value
    this.timeMicros[at] = timeMicros
  }

  refuse({ reason, message }: Refusal, metric: string | null): void {
    this.refused.push({ reason, message, metric })
  }

  clear(): void {
    this.length = 0
    this.mayRepeat = false
    if (this.units.size > 0) this.units.clear()
    if (this.refused.length > 0) this.refused.length = 0
    if (this.metric.length > columnsKept) this.#shrink()
  }

  #shrink(): void {
    this.metric.length = 0
    this.value.length = 0
    this.timeMicros.length = 0
  }
}
