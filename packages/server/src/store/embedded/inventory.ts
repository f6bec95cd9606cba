import { compareTexts } from './ranges.ts'
import type { Kind } from './schema.ts'
import { type Sums, sumsFile } from './sums.ts'

/** A table that is written to, or that was and now becomes a segment. */
export interface PointTable {
  readonly name: string
  readonly kind: Kind
  readonly late: boolean
  readonly generation: number
  rows: number
  timeMin: number
  timeMax: number
  /** µs since 1970 of the first and the last write to it. */
  arrivedMin: number
  arrivedMax: number
  /** Times (first, last) by series, of late tables only. */
  readonly series: Map<number, { min: number; max: number }>
}

export function pointTable(kind: Kind, late: boolean, generation: number): PointTable {
  const name = `${late ? 'late' : 'hot'}_${kind}_${generation}`
  return {
    name,
    kind,
    late,
    generation,
    rows: 0,
    timeMin: Number.POSITIVE_INFINITY,
    timeMax: Number.NEGATIVE_INFINITY,
    arrivedMin: Number.POSITIVE_INFINITY,
    arrivedMax: Number.NEGATIVE_INFINITY,
    series: new Map(),
  }
}

/** A Parquet file, sorted by metric, series and time, without repeats inside. Times in µs since 1970. */
export interface Segment extends Sums {
  readonly id: number
  /** Segments of one run do not overlap in (metric, series): a merge writes its result as one run. */
  readonly run: number
  readonly kind: Kind
  /** It may hold points that other segments or tables hold too; all others hold each point once between them. */
  readonly late: boolean
  readonly file: string
  readonly rows: number
  /** How many of them are suspect; with none, a query need not read the column. */
  readonly suspects: number
  readonly bytes: number
  readonly timeMin: number
  readonly timeMax: number
  readonly seriesMin: number
  readonly seriesMax: number
  readonly metricMin: string
  readonly metricMax: string
  /** The series of the first row and of the last one. */
  readonly seriesFirst: number
  readonly seriesLast: number
  readonly versionMin: number
  readonly versionMax: number
  /** When its last point arrived, for retention. */
  readonly arrivedMax: number
  /** Points before it are dropped, though still in the file. */
  readonly cut: number
}

/** What holds points. */
export interface Sources {
  readonly tables: readonly PointTable[]
  readonly segments: readonly Segment[]
}

/** What a query reads: one consistent list, never changed. */
export interface Inventory extends Sources {
  /** The file of the latest points of all series as far as the segments reach. */
  readonly latest: string | undefined
}

export interface Pinned {
  readonly inventory: Inventory
  readonly release: () => void
}

/** A table of points, or a file. */
export type Retired = { readonly table: string } | { readonly file: string }

/** Holds the current inventory, and what earlier ones name for as long as somebody reads it. */
export class Inventories {
  #current: Inventory
  #epoch = 0
  readonly #readers = new Map<number, number>()
  #retired: { readonly item: Retired; readonly epoch: number }[] = []
  readonly #remove: (item: Retired) => void

  /** `remove` is called with each table and file that nobody needs any more. */
  constructor(current: Inventory, remove: (item: Retired) => void) {
    this.#current = current
    this.#remove = remove
  }

  get current(): Inventory {
    return this.#current
  }

  pin(): Pinned {
    const epoch = this.#epoch
    this.#readers.set(epoch, (this.#readers.get(epoch) ?? 0) + 1)
    let released = false
    const release = () => {
      if (released) return
      released = true
      const left = this.#readers.get(epoch)! - 1
      if (left > 0) this.#readers.set(epoch, left)
      else this.#readers.delete(epoch)
      this.#sweep()
    }
    return { inventory: this.#current, release }
  }

  replace(next: Inventory): void {
    const epoch = this.#epoch
    const tables = new Set(next.tables.map(({ name }) => name))
    for (const { name } of this.#current.tables)
      if (!tables.has(name)) this.#retired.push({ item: { table: name }, epoch })
    const files = new Set(filesOf(next))
    for (const file of filesOf(this.#current))
      if (!files.has(file)) this.#retired.push({ item: { file }, epoch })
    this.#current = next
    this.#epoch++
    this.#sweep()
  }

  #sweep(): void {
    const oldest = Math.min(...this.#readers.keys())
    for (const { item, epoch } of this.#retired) if (epoch < oldest) this.#remove(item)
    this.#retired = this.#retired.filter(({ epoch }) => epoch >= oldest)
  }
}

/** The names of all files that an inventory lists. */
export function filesOf({ segments, latest }: Inventory): string[] {
  return [...segments.flatMap(segmentFiles).map(({ file }) => file), ...(latest ? [latest] : [])]
}

/** The files of a segment with their lengths. */
export function segmentFiles({ file, bytes, sums, sumsBytes }: Segment): { file: string; bytes: number }[] {
  return [{ file, bytes }, ...(sums > 0 ? [{ file: sumsFile(file), bytes: sumsBytes }] : [])]
}

/** Whether both may hold points of the same series at the same time. */
export function overlaps(one: Segment, other: Segment): boolean {
  return (
    one.kind === other.kind &&
    one.timeMin <= other.timeMax &&
    other.timeMin <= one.timeMax &&
    one.seriesMin <= other.seriesMax &&
    other.seriesMin <= one.seriesMax &&
    compareTexts(one.metricMin, other.metricMax) <= 0 &&
    compareTexts(other.metricMin, one.metricMax) <= 0
  )
}
