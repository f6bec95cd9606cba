import type { PointColumns, TextPoint } from '../points.ts'
import type { AppendColumn } from './duckdb.ts'

/** Numeric points in columns; 64-bit integers also as halves (low, high), so that no BigInt is made for them. */
export interface Rows {
  readonly length: number
  readonly series: Int32Array
  readonly times: Uint32Array
  readonly value: Float64Array
  readonly quality: Uint8Array
  readonly versions: Uint32Array
}
export type TextRows = readonly TextPoint[]

export interface Split<T> {
  /** Newer than all that their series hold. */
  readonly hot: T
  readonly late: T
}

const high = 0x1_0000_0000

/**
 * Divides a batch at the high-water marks, which move; points of series that do not exist are left out. Afterwards
 * no (series, time) is there twice: of those in the batch the one with the higher version is left, the later one of
 * equals.
 */
export function splitRows(numbers: PointColumns, highWater: Float64Array, known: Uint8Array): Split<Rows> {
  const all: Rows = {
    length: numbers.length,
    series: numbers.series,
    times: halves(numbers.time64),
    value: numbers.value,
    quality: numbers.quality,
    versions: halves(numbers.version64),
  }
  const late: number[] = []
  const left = new Uint8Array(all.length)
  const { series, times } = all
  for (let at = 0; at < all.length; at++) {
    const id = series[at]!
    const time = times[2 * at]! + times[2 * at + 1]! * high
    if (known[id] !== 1) left[at] = 1
    else if (time > highWater[id]!) highWater[id] = time
    else {
      left[at] = 1
      late.push(at)
    }
  }
  if (!left.includes(1)) return { hot: all, late: pick(all, []) }
  return withoutRepeats(all, left, late)
}

function withoutRepeats(all: Rows, left: Uint8Array, late: readonly number[]): Split<Rows> {
  const hot: number[] = []
  for (let at = 0; at < all.length; at++) if (left[at] === 0) hot.push(at)
  const winners = winnersBySlot(all, hot, late)
  return {
    hot: pick(
      all,
      hot.map((at) => winners.get(at) ?? at),
    ),
    late: pick(
      all,
      late.flatMap((at) => winners.get(at) ?? []),
    ),
  }
}

/** Of all rows of the series that have late ones: by the first row of each (series, time), the row that wins there. */
function winnersBySlot(all: Rows, hot: readonly number[], late: readonly number[]): Map<number, number> {
  const { series, times } = all
  const seriesOfLate = new Set<number>()
  for (const at of late) seriesOfLate.add(series[at]!)
  const candidates = hot.filter((at) => seriesOfLate.has(series[at]!))
  const slots = new Map<string, number>()
  const winners = new Map<number, number>()
  for (const at of candidates.concat(late).sort((a, b) => a - b)) {
    const key = `${series[at]}/${times[2 * at]}/${times[2 * at + 1]}`
    const slot = slots.get(key)
    if (slot === undefined) slots.set(key, at)
    if (slot === undefined) winners.set(at, at)
    else if (versionOf(all, at) >= versionOf(all, winners.get(slot)!)) winners.set(slot, at)
  }
  return winners
}

function versionOf({ versions }: Rows, at: number): number {
  return versions[2 * at]! + versions[2 * at + 1]! * high
}

function halves(column: BigInt64Array): Uint32Array {
  return new Uint32Array(column.buffer, column.byteOffset, column.length * 2)
}

function pick(all: Rows, indexes: readonly number[]): Rows {
  const { length } = indexes
  const picked = {
    length,
    series: new Int32Array(length),
    times: new Uint32Array(2 * length),
    value: new Float64Array(length),
    quality: new Uint8Array(length),
    versions: new Uint32Array(2 * length),
  }
  for (let to = 0; to < length; to++) {
    const from = indexes[to]!
    picked.series[to] = all.series[from]!
    picked.value[to] = all.value[from]!
    picked.quality[to] = all.quality[from]!
    picked.times[2 * to] = all.times[2 * from]!
    picked.times[2 * to + 1] = all.times[2 * from + 1]!
    picked.versions[2 * to] = all.versions[2 * from]!
    picked.versions[2 * to + 1] = all.versions[2 * from + 1]!
  }
  return picked
}

/** The same for texts, of which there are few. */
export function splitTexts(
  texts: readonly TextPoint[],
  highWater: Float64Array,
  known: Uint8Array,
): Split<TextRows> {
  const newest = new Map<string, TextPoint>()
  for (const point of texts) {
    if (known[point.series] !== 1) continue
    const key = `${point.series}/${point.timeMicros}`
    const found = newest.get(key)
    if (!found || point.version >= found.version) newest.set(key, point)
  }
  const hot: TextPoint[] = []
  const late: TextPoint[] = []
  for (const point of [...newest.values()].sort((a, b) => a.timeMicros - b.timeMicros))
    if (point.timeMicros > highWater[point.series]!) {
      highWater[point.series] = point.timeMicros
      hot.push(point)
    } else late.push(point)
  return { hot, late }
}

export function rowColumns(rows: Rows): AppendColumn[] {
  return [
    { type: 'integer', values: rows.series },
    { type: 'timestamp', values: rows.times },
    { type: 'double', values: rows.value },
    { type: 'tiny', values: rows.quality },
    { type: 'bigint', values: rows.versions },
  ]
}

export function textColumns(rows: TextRows): AppendColumn[] {
  return [
    { type: 'integer', values: Int32Array.from(rows, (row) => row.series) },
    { type: 'timestamp', values: BigInt64Array.from(rows, (row) => BigInt(row.timeMicros)) },
    { type: 'text', values: rows.map((row) => row.text) },
    { type: 'tiny', values: Uint8Array.from(rows, (row) => row.quality) },
    { type: 'bigint', values: BigInt64Array.from(rows, (row) => BigInt(row.version)) },
  ]
}
