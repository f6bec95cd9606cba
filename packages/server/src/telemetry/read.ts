import { type AggregateFunction, DroverError, limits } from '@drover/protocol'
import type { Actor } from '../access/actor.ts'
import { requireDevice } from '../devices/resolve.ts'
import { formatCursor, parseCursor } from '../model/cursor.ts'
import type { PointsResult, Series } from '../store/store.ts'
import type { TelemetryContext } from './context.ts'
import {
  bucketWidthMicros,
  checkRange,
  closedRange,
  everything,
  parseRange,
  type Range,
  type RangeInput,
} from './range.ts'
import {
  defaultFunctions,
  isNumeric,
  noPoints,
  requireNumeric,
  type SeriesAnswer,
  type SeriesPoints,
} from './series.ts'

export interface ReadQuery extends RangeInput {
  readonly metric: string
  /** Only with `every`. */
  readonly fn?: readonly AggregateFunction[]
  readonly quality: 'good' | 'any'
  /** Points or buckets in one page. */
  readonly limit?: number
  readonly cursor?: string
  /** Raw points only: `desc` gives the newest first. */
  readonly order: 'asc' | 'desc'
}

export interface ReadAnswer extends SeriesAnswer {
  readonly nextCursor: string | null
}

interface PageOfPoints {
  readonly points: SeriesPoints
  readonly nextCursor: string | null
}

/**
 * One metric of one device: raw points in time order, a page at a time; buckets with `every`; downsampled with
 * `maxPoints`. A metric that the device never sent has no points. Rejects with `badIdentifier`, `notFound`,
 * `badRequest`, `badCursor`, `queryTooLarge`.
 */
export async function readTelemetry(
  { registry, reader }: TelemetryContext,
  actor: Actor,
  deviceId: string,
  query: ReadQuery,
): Promise<ReadAnswer> {
  if (query.fn !== undefined && query.every === undefined)
    throw new DroverError('badRequest', { reason: 'fn needs every, the width of the buckets' })
  checkRange(query)
  const { uid } = await requireDevice(registry, actor.tenant, deviceId)
  const series = (await reader.series([uid])).find(({ metric }) => metric === query.metric)
  if (!series)
    return { device: deviceId, metric: query.metric, unit: null, points: noPoints, nextCursor: null }
  const page = await pageOfPoints(reader, series, query)
  return { device: deviceId, metric: query.metric, unit: series.unit, ...page }
}

type Reader = TelemetryContext['reader']

function pageOfPoints(reader: Reader, series: Series, query: ReadQuery): Promise<PageOfPoints> {
  if (query.every !== undefined) return readBuckets(reader, series, query)
  if (query.maxPoints !== undefined && isNumeric(series)) return readDownsampled(reader, series, query)
  return readRaw(reader, series, query)
}

async function readRaw(reader: Reader, series: Series, query: ReadQuery): Promise<PageOfPoints> {
  const descending = query.order === 'desc'
  const limit = query.maxPoints ?? query.limit ?? limits.pagePointsDefault
  const boundary = query.cursor === undefined ? {} : boundaryOf(query.cursor, series, query.order)
  const columns = await reader.points({
    seriesIds: [series.id],
    ...everything(parseRange(query)),
    ...boundary,
    goodOnly: query.quality === 'good',
    kind: isNumeric(series) ? 'numbers' : 'texts',
    limit: limit + 1,
    descending,
  })
  const end = Math.min(limit, columns.timeMicros.length)
  const next = columns.timeMicros[limit]
  return {
    points: rawPoints(series, columns, end),
    nextCursor: next === undefined ? null : cursorAt(series, query.order, descending ? next + 1 : next),
  }
}

function rawPoints({ type }: Series, columns: PointsResult, end: number): SeriesPoints {
  return { kind: 'raw', type, columns, start: 0, end }
}

/** A page of points ends before, and the next one begins at, this time. */
function cursorAt(series: Series, order: string, micros: number): string {
  return formatCursor('points', [series.id, order, micros])
}

function boundaryOf(cursor: string, series: Series, order: string): Partial<Range> {
  const [seriesId, cursorOrder, micros] = parseCursor('points', ['number', 'string', 'number'], cursor)
  if (seriesId !== series.id || cursorOrder !== order || micros < 0) throw new DroverError('badCursor')
  return order === 'desc' ? { toMicros: micros } : { fromMicros: micros }
}

async function readBuckets(reader: Reader, series: Series, query: ReadQuery): Promise<PageOfPoints> {
  requireNumeric([series])
  const functions = query.fn ?? defaultFunctions
  const whole = await closedRange(reader, [series.id], parseRange(query))
  if (!whole) return { points: noPoints, nextCursor: null }
  const everyMicros = bucketWidthMicros(query, whole)
  const boundary = query.cursor === undefined ? {} : boundaryOf(query.cursor, series, 'asc')
  const columns = await reader.buckets({
    seriesIds: [series.id],
    ...everything({ ...whole, ...boundary }),
    goodOnly: query.quality === 'good',
    everyMicros,
    functions,
    group: 'series',
    limit: limits.bucketsMax,
  })
  const limit = query.limit ?? limits.bucketsMax
  const next = columns.timeMicros[limit]
  const end = Math.min(limit, columns.timeMicros.length)
  return {
    points: { kind: 'buckets', functions, columns, start: 0, end },
    nextCursor: next === undefined ? null : cursorAt(series, 'asc', next),
  }
}

async function readDownsampled(reader: Reader, series: Series, query: ReadQuery): Promise<PageOfPoints> {
  // It has one page only, so no cursor can be of it.
  if (query.cursor !== undefined) throw new DroverError('badCursor')
  const columns = await reader.downsample({
    seriesIds: [series.id],
    ...everything(parseRange(query)),
    goodOnly: query.quality === 'good',
    maxPoints: query.maxPoints!,
  })
  return { points: rawPoints(series, columns, columns.timeMicros.length), nextCursor: null }
}
