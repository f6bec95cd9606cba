import type { AggregateFunction, QuarantineReason, ValueType } from '@drover/protocol'
import type { PointColumns, QualityCode, TextPoint } from './points.ts'

/**
 * The store keeps time series. Points are keyed by (series, time); among writes of the same point the one with the
 * higher version (queue position) wins. A series is (device uid, metric); its id is never used again. Times are
 * µs since 1970. A driver opens both halves; the writer has one owner.
 */
export interface Store {
  readonly capabilities: StoreCapabilities
  readonly writer: StoreWriter
  readonly reader: StoreReader
  /** Copies everything into an empty folder at one consistent point, while reading and writing go on. */
  backup(directory: string): Promise<void>
  close(): Promise<void>
}

export interface StoreCapabilities {
  /**
   * `transactional`: the queue's position moves, and becomes durable, together with the points. `none`: readers may see a
   * part of a write, a write is never refused for its position, and one that is repeated or was overtaken changes nothing.
   */
  readonly positions: 'transactional' | 'none'
  /** `engine`: the engine has tools of its own for it, and `backup` rejects with `badRequest`. */
  readonly backups: 'own' | 'engine'
}

export interface Series {
  readonly id: number
  readonly tenant: number
  readonly deviceUid: number
  readonly metric: string
  readonly type: ValueType
  readonly unit: string | null
}

export interface SeriesState extends Series {
  /** The stored point with the latest time, if there is one. */
  readonly latest: LatestValue | undefined
}

export interface LatestValue {
  readonly timeMicros: number
  /** A number, or the text of a text point. */
  readonly value: number | string
  readonly quality: QualityCode
}

export interface QuarantineRow {
  readonly tenant: number
  readonly deviceUid: number
  readonly reason: QuarantineReason
  /** What exactly was wrong: the value, the bound. */
  readonly message: string
  readonly metric: string | null
  readonly receivedAtMicros: number
  readonly contentType: number
  readonly payload: Uint8Array
  /** Of the whole payload; the kept one may be cut. */
  readonly payloadBytes: number
  readonly version: number
}

/** Message keys that were seen and not yet released (MQTT packet ids, idempotency keys). */
export interface MessageKey {
  readonly deviceUid: number
  readonly key: string
  readonly receivedAtMicros: number
}

/** What processing made of some deliveries; written whole or not at all. */
export interface StoreBatch {
  /** Series that this batch uses for the first time. */
  readonly newSeries: readonly Series[]
  readonly numbers: PointColumns
  readonly texts: readonly TextPoint[]
  readonly quarantine: readonly QuarantineRow[]
  /** Entries of quarantine that were dropped at the device's cap, by device uid. */
  readonly quarantineDropped: ReadonlyMap<number, number>
  /** Keys that are held after this batch; added after `releasedKeys` were forgotten. */
  readonly newKeys: readonly MessageKey[]
  /** Forgotten keys, as (device uid, key); a key that ends in `*` stands for all with that prefix. */
  readonly releasedKeys: readonly { readonly deviceUid: number; readonly key: string }[]
  /** Moved from `expected` (undefined: none yet) to `position`, or the write is refused with `positionConflict`. */
  readonly position: {
    readonly consumer: string
    readonly partition: number
    readonly identity: string
    readonly expected: number | undefined
    /** The identity under which `expected` is stored, where it is that of the log which the queue's is a copy of. */
    readonly expectedIdentity?: string
    readonly position: number
  }
  /** Bytes of the queue that it was made of; a store that keeps back what is not durable yet bounds them. */
  readonly queueBytes: number
}

export type DurableListener = (position: {
  readonly consumer: string
  readonly partition: number
  readonly position: number
}) => void

export interface StoreWriter {
  /** Ids for new series that nobody else gets; the series exist once a batch that lists them is written. */
  reserveSeriesIds(count: number): Promise<{ readonly first: number; readonly count: number }>
  /** The series of these devices with their latest points, which seed the rate of change. */
  loadSeries(deviceUids: readonly number[]): Promise<ReadonlyMap<number, readonly SeriesState[]>>
  /** The keys of these devices that were not released; of all, so that their sessions are known after a start. */
  loadKeys(deviceUids: readonly number[] | 'all'): Promise<readonly MessageKey[]>
  /** Quarantine entries kept by device uid, for the cap. */
  quarantineCounts(deviceUids: readonly number[]): Promise<ReadonlyMap<number, number>>
  /** The last one written; after a crash, the last one that was durable. */
  position(consumer: string, partition: number): Promise<{ identity: string; position: number } | undefined>
  /**
   * Tells of each position up to which everything has become durable: the queue need not keep it any more. Answers how to
   * stop.
   */
  onDurable(listener: DurableListener): () => void
  /**
   * One transaction: when it answers, readers see all of it. It may become durable later, in the order of the writes and
   * whole. Rejects with `positionConflict`, `storeUnavailable`; then nothing was written.
   */
  write(batch: StoreBatch): Promise<void>
  /** The device is gone: its series are hidden at once and their points removed later. Idempotent. */
  deleteDevice(deviceUid: number): Promise<void>
  /** Drops what is older, but nothing that arrived within the last day. Runs whenever the driver finds it convenient; this asks for it now. */
  applyRetention(olderThanMicros: number): Promise<void>
}

export interface SeriesRange {
  readonly seriesIds: readonly number[]
  /** Included. */
  readonly fromMicros: number
  /** Excluded. */
  readonly toMicros: number
  readonly goodOnly: boolean
}

/** Points in columns, in the order of (series, time). */
export interface PointsResult {
  readonly series: Int32Array
  readonly timeMicros: Float64Array
  /** For series of numbers. */
  readonly value: Float64Array
  /** For series of texts; then `value` is empty. */
  readonly text: readonly string[]
  readonly quality: Uint8Array
}

export interface RawQuery extends SeriesRange {
  /** `texts` for series whose values are not numbers. */
  readonly kind: 'numbers' | 'texts'
  /** Points at most, over all series; for paging, go on from the last time + 1. */
  readonly limit: number
  /** Latest first. */
  readonly descending?: boolean
}

export interface BucketsQuery extends SeriesRange {
  /** µs; buckets start at multiples of it since 1970. */
  readonly everyMicros: number
  readonly functions: readonly AggregateFunction[]
  /** `all` folds all series into one. */
  readonly group: 'series' | 'all'
  /** Buckets at most, over all series; one more makes it reject with `queryTooLarge`. */
  readonly limit: number
}

/** Buckets in columns, in the order of (series, time); `series` is 0 when all are folded into one. */
export interface BucketsResult {
  readonly series: Int32Array
  readonly timeMicros: Float64Array
  /** One column a function that was asked for; NaN where a bucket has no value. */
  readonly columns: Readonly<Partial<Record<AggregateFunction, Float64Array>>>
  readonly good: Float64Array
  readonly suspect: Float64Array
}

export interface DownsampleQuery extends SeriesRange {
  /** Points at most a series; the smallest and largest of each stretch of time survive. */
  readonly maxPoints: number
}

export interface QuarantineQuery {
  readonly tenant: number
  readonly deviceUid?: number
  readonly reason?: QuarantineReason
  readonly limit: number
  /** Ids below it, newest first. */
  readonly beforeId?: number
}
export interface QuarantineStored extends QuarantineRow {
  readonly id: number
}

/** Every call takes at most `queryTimeoutMs`, else it rejects with `queryTimedOut`. Results are as of the last write. */
export interface StoreReader {
  /** The series of the devices; with `metrics` only those of these names. */
  series(deviceUids: readonly number[], metrics?: readonly string[]): Promise<readonly Series[]>
  latest(deviceUids: readonly number[]): Promise<readonly SeriesState[]>
  points(query: RawQuery): Promise<PointsResult>
  buckets(query: BucketsQuery): Promise<BucketsResult>
  downsample(query: DownsampleQuery): Promise<PointsResult>
  quarantine(query: QuarantineQuery): Promise<readonly QuarantineStored[]>
  quarantineEntry(tenant: number, id: number): Promise<QuarantineStored | undefined>
  quarantineDropped(deviceUids: readonly number[] | 'all'): Promise<number>
  /** Points from the first to the last time that the series hold, for charts that ask for everything; undefined without points. */
  extent(seriesIds: readonly number[]): Promise<{ fromMicros: number; toMicros: number } | undefined>
  status(): Promise<StoreStatus>
}

export interface StoreStatus {
  readonly series: number
  readonly points: number
  readonly hotPoints: number
  readonly latePoints: number
  readonly segments: number
  readonly segmentBytes: number
  readonly quarantined: number
}
