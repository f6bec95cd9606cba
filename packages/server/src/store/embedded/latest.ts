import type { QualityCode } from '../points.ts'
import type { LatestValue } from '../store.ts'
import type { Rows, TextRows } from './rows.ts'

const none = -1

/**
 * The latest point of each series, by the time of the point; and beside it the high-water mark, which runs ahead
 * while a write is under way: a newer point is hot, any other is late. Indexed by series id.
 */
export class LatestPoints {
  #time = new Float64Array(1024).fill(none)
  #version = new Float64Array(1024).fill(none)
  #value = new Float64Array(1024)
  #quality = new Uint8Array(1024)
  #highWater = new Float64Array(1024).fill(none)
  #known = new Uint8Array(1024)
  readonly #text = new Map<number, string>()

  /** µs since 1970 by series id; the rows of a write move it. */
  get highWater(): Float64Array {
    return this.#highWater
  }

  /** 1 by series id where the series exists. */
  get known(): Uint8Array {
    return this.#known
  }

  get size(): number {
    return this.#time.length
  }

  addSeries(id: number): void {
    if (id >= this.#time.length) this.#grow(id + 1)
    this.#known[id] = 1
  }

  removeSeries(id: number): void {
    this.#known[id] = 0
    this.clear(id)
  }

  clear(id: number): void {
    this.#time[id] = none
    this.#version[id] = none
    this.#highWater[id] = none
    this.#text.delete(id)
  }

  get(id: number): LatestValue | undefined {
    const timeMicros = this.#time[id] ?? none
    if (timeMicros === none) return undefined
    const value = this.#text.get(id) ?? this.#value[id]!
    return { timeMicros, value, quality: this.#quality[id] as QualityCode }
  }

  timeOf(id: number): number | undefined {
    const time = this.#time[id] ?? none
    return time === none ? undefined : time
  }

  /** The point replaces the latest one if it is newer, or as new with no lower version. */
  put(id: number, time: number, value: number | string, quality: number, version: number): void {
    if (time < this.#time[id]! || (time === this.#time[id] && version < this.#version[id]!)) return
    this.#time[id] = time
    this.#version[id] = version
    this.#quality[id] = quality
    if (time > this.#highWater[id]!) this.#highWater[id] = time
    if (typeof value === 'string') this.#text.set(id, value)
    else this.#value[id] = value
  }

  putRows({ length, series, times, value, quality, versions }: Rows): void {
    for (let at = 0; at < length; at++)
      this.put(
        series[at]!,
        times[2 * at]! + times[2 * at + 1]! * 0x1_0000_0000,
        value[at]!,
        quality[at]!,
        versions[2 * at]! + versions[2 * at + 1]! * 0x1_0000_0000,
      )
  }

  putTexts(rows: TextRows): void {
    for (const { series, timeMicros, text, quality, version } of rows)
      this.put(series, timeMicros, text, quality, version)
  }

  /** After a write that failed: the marks are those of the stored points again. */
  resetHighWater(): void {
    this.#highWater.set(this.#time)
  }

  #grow(size: number): void {
    const length = Math.max(size, this.#time.length * 2)
    this.#time = grown(new Float64Array(length).fill(none), this.#time)
    this.#version = grown(new Float64Array(length).fill(none), this.#version)
    this.#highWater = grown(new Float64Array(length).fill(none), this.#highWater)
    this.#value = grown(new Float64Array(length), this.#value)
    this.#quality = grown(new Uint8Array(length), this.#quality)
    this.#known = grown(new Uint8Array(length), this.#known)
  }
}

function grown<T extends Float64Array | Uint8Array>(target: T, source: T): T {
  target.set(source)
  return target
}
