/** Quality of a stored point. `bad` ones are never stored. */
export const quality = { good: 0, suspect: 1 } as const
export type QualityCode = (typeof quality)[keyof typeof quality]

/**
 * Numeric points in columns that grow, as the store takes them: one row a point. Integers of 64 bits are kept as two
 * halves so that no BigInt is made for them; `time64` and `version64` give them as columns.
 */
export class PointColumns {
  length = 0
  series = new Int32Array(1024)
  value = new Float64Array(1024)
  quality = new Uint8Array(1024)
  #time = new Uint32Array(2048)
  #version = new Uint32Array(2048)

  /** `timeMicros`: µs since 1970, not negative; `version`: queue position of the record it came in. */
  add(series: number, timeMicros: number, value: number, quality: QualityCode, version: number): void {
    const at = this.length
    if (at === this.series.length) this.#grow()
    this.series[at] = series
    this.value[at] = value
    this.quality[at] = quality
    this.#time[2 * at] = timeMicros % 0x1_0000_0000
    this.#time[2 * at + 1] = timeMicros / 0x1_0000_0000
    this.#version[2 * at] = version % 0x1_0000_0000
    this.#version[2 * at + 1] = version / 0x1_0000_0000
    this.length = at + 1
  }

  timeAt(at: number): number {
    return this.#time[2 * at]! + this.#time[2 * at + 1]! * 0x1_0000_0000
  }

  versionAt(at: number): number {
    return this.#version[2 * at]! + this.#version[2 * at + 1]! * 0x1_0000_0000
  }

  get time64(): BigInt64Array {
    return new BigInt64Array(this.#time.buffer, 0, this.length)
  }

  get version64(): BigInt64Array {
    return new BigInt64Array(this.#version.buffer, 0, this.length)
  }

  clear(): void {
    this.length = 0
  }

  #grow(): void {
    const size = this.series.length * 2
    this.series = copyInto(new Int32Array(size), this.series)
    this.value = copyInto(new Float64Array(size), this.value)
    this.quality = copyInto(new Uint8Array(size), this.quality)
    this.#time = copyInto(new Uint32Array(2 * size), this.#time)
    this.#version = copyInto(new Uint32Array(2 * size), this.#version)
  }
}

function copyInto<T extends Int32Array | Float64Array | Uint8Array | Uint32Array>(target: T, source: T): T {
  target.set(source)
  return target
}

/** Points whose values are strings, booleans, JSON or locations, as the text that is stored. */
export interface TextPoint {
  readonly series: number
  readonly timeMicros: number
  /** A string as it is; `true` or `false`; JSON or a location as JSON text. */
  readonly text: string
  readonly quality: QualityCode
  readonly version: number
}
