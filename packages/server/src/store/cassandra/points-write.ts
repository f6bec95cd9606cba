import type { PointColumns, TextPoint } from '../points.ts'
import { groupOf, type Layout } from './schema.ts'
import type { Mutation, Session, Statement } from './session.ts'

/** Rows of numbers or of texts, behind one face. */
interface Rows {
  readonly table: 'numbers' | 'texts'
  readonly length: number
  readonly seriesAt: (at: number) => number
  readonly timeAt: (at: number) => number
  readonly valueAt: (at: number) => number | string
  readonly qualityAt: (at: number) => number
  readonly versionAt: (at: number) => number
}

export function numberRows(columns: PointColumns): Rows {
  return {
    table: 'numbers',
    length: columns.length,
    seriesAt: (at) => columns.series[at]!,
    timeAt: (at) => columns.timeAt(at),
    valueAt: (at) => columns.value[at]!,
    qualityAt: (at) => columns.quality[at]!,
    versionAt: (at) => columns.versionAt(at),
  }
}

export function textRows(points: readonly TextPoint[]): Rows {
  return {
    table: 'texts',
    length: points.length,
    seriesAt: (at) => points[at]!.series,
    timeAt: (at) => points[at]!.timeMicros,
    valueAt: (at) => points[at]!.text,
    qualityAt: (at) => points[at]!.quality,
    versionAt: (at) => points[at]!.version,
  }
}

/** A row of each time that counts, by series: of the same time, the higher version, of the same version the later row. */
type RowsBySeries = Map<number, Map<number, number>>

function winners(rows: Rows, aliases: ReadonlyMap<number, number>): RowsBySeries {
  const bySeries: RowsBySeries = new Map()
  for (let at = 0; at < rows.length; at++) {
    const given = rows.seriesAt(at)
    const series = aliases.get(given) ?? given
    const times = bySeries.get(series) ?? new Map<number, number>()
    bySeries.set(series, times)
    const time = rows.timeAt(at)
    const other = times.get(time)
    if (other === undefined || rows.versionAt(at) >= rows.versionAt(other)) times.set(time, at)
  }
  return bySeries
}

/** Statements of one partition that are sent together. */
const statementsPerMutation = 128
/** Buckets of series that are remembered as known to the table of buckets; past it, all are forgotten. */
const knownBucketsMax = 1_000_000
const buckets = 2 ** 21
/** Longer than this, and Cassandra refuses it: twenty years. */
const ttlSecondsMax = 630_720_000
export const daySeconds = 86_400

export interface PointWriterOptions {
  readonly session: Session
  readonly layout: Layout
  /** How long points are kept, by their time; undefined: for ever. */
  readonly retentionSeconds: number | undefined
  /** s since 1970 */
  readonly nowSeconds: () => number
}

/** Makes of points the writes of points, of the buckets they are in, and of the latest ones. */
export class PointWriter {
  readonly #options: PointWriterOptions
  readonly #knownBuckets = new Set<number>()

  constructor(options: PointWriterOptions) {
    this.#options = options
  }

  /** Whatever the order in which these are applied, and how often, the result is the same. */
  async write(all: readonly Rows[], aliases: ReadonlyMap<number, number>): Promise<void> {
    const points = new Partitions()
    const latest = new Partitions()
    const index = new Partitions()
    const newBuckets: number[] = []
    for (const rows of all)
      for (const [series, times] of winners(rows, aliases)) {
        let newest = -1
        for (const [time, at] of times) {
          const bucket = Math.floor(time / this.#options.layout.bucketMicros)
          points.add(groupOf(series) * buckets + bucket, this.#insert(rows, series, bucket, time, at))
          this.#addBucket(series, bucket, this.#isLate(time), index, newBuckets)
          if (time > newest) newest = time
        }
        latest.add(groupOf(series), this.#insertLatest(rows, series, newest, times.get(newest)!))
      }
    await this.#options.session.mutate([...points.mutations(), ...latest.mutations(), ...index.mutations()])
    if (this.#knownBuckets.size > knownBucketsMax) this.#knownBuckets.clear()
    for (const bucket of newBuckets) this.#knownBuckets.add(bucket)
  }

  /** A bucket is noted once, and for points that are late each time: retention may have forgotten it. */
  #addBucket(series: number, bucket: number, isLate: boolean, index: Partitions, added: number[]): void {
    const key = series * buckets + bucket
    if ((this.#knownBuckets.has(key) && !isLate) || added.at(-1) === key) return
    added.push(key)
    index.add(groupOf(series), {
      query: 'INSERT INTO point_buckets (series_group, series, bucket) VALUES (?, ?, ?) USING TIMESTAMP ?',
      params: [groupOf(series), series, bucket, this.#options.nowSeconds() * 1e6],
    })
  }

  #isLate(time: number): boolean {
    return time / 1e6 < this.#options.nowSeconds() - daySeconds
  }

  #insert(rows: Rows, series: number, bucket: number, time: number, at: number): Statement {
    const { nowSeconds, retentionSeconds } = this.#options
    const now = nowSeconds()
    const ttl = retentionSeconds === undefined ? 0 : ttlOf(time / 1e6 + retentionSeconds - now)
    return {
      query: `INSERT INTO ${rows.table} (series_group, bucket, series, time, value, quality, arrived)
        VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?`,
      params: [
        groupOf(series),
        bucket,
        series,
        time,
        rows.valueAt(at),
        rows.qualityAt(at),
        // Only of what came late has retention to know when it did.
        this.#isLate(time) ? now : undefined,
        rows.versionAt(at),
        ttl,
      ],
    }
  }

  /**
   * The timestamp is the time of the point, so that the latest wins; at the same time Cassandra lets the larger bytes
   * win, which begin with the version.
   */
  #insertLatest(rows: Rows, series: number, time: number, at: number): Statement {
    const value = rows.valueAt(at)
    const number = typeof value === 'number' ? value : null
    const text = typeof value === 'string' ? value : null
    const point = this.#options.session.tuple(rows.versionAt(at), rows.qualityAt(at), number, text)
    return {
      query: 'INSERT INTO latest (series_group, series, time, point) VALUES (?, ?, ?, ?) USING TIMESTAMP ?',
      params: [groupOf(series), series, time, point, time],
    }
  }
}

/** What arrives late is kept for a day at least. */
function ttlOf(seconds: number): number {
  const ttl = Math.max(Math.ceil(seconds), daySeconds)
  return ttl > ttlSecondsMax ? 0 : ttl
}

/** Statements by their partition. */
export class Partitions {
  readonly #byKey = new Map<number | string, Statement[]>()

  add(key: number | string, statement: Statement): void {
    const statements = this.#byKey.get(key)
    if (statements) statements.push(statement)
    else this.#byKey.set(key, [statement])
  }

  mutations(): Mutation[] {
    return [...this.#byKey.values()].flatMap((statements) =>
      Array.from({ length: Math.ceil(statements.length / statementsPerMutation) }, (_, at) =>
        statements.slice(at * statementsPerMutation, (at + 1) * statementsPerMutation),
      ),
    )
  }
}
