import { DroverError, limits, type telemetryQuerySchema } from '@drover/protocol'
import type { z } from 'zod'
import type { Actor } from '../access/actor.ts'
import { selectDevices } from '../devices/resolve.ts'
import type { BucketsResult, PointsResult, Series } from '../store/store.ts'
import type { TelemetryContext } from './context.ts'
import { bucketWidthMicros, checkRange, closedRange, everything, parseRange } from './range.ts'
import { defaultFunctions, isNumeric, requireNumeric, type SeriesAnswer } from './series.ts'

export type QueryInput = z.output<typeof telemetryQuerySchema>

/**
 * Several metrics of several devices in one answer, in the order of the devices' ids and of the metrics; series
 * without a point in the range are left out. Rejects with `badRequest`, `notFound`, `queryTooLarge`.
 */
export async function queryTelemetry(
  { registry, reader }: TelemetryContext,
  actor: Actor,
  query: QueryInput,
): Promise<SeriesAnswer[]> {
  const { every, fn, group, metrics } = query
  if (every === undefined && (fn !== undefined || group === 'all')) {
    const needing = group === 'all' ? 'group: all' : 'fn'
    throw new DroverError('badRequest', { reason: `${needing} needs every, the width of the buckets` })
  }
  checkRange(query)
  const devices = await selectDevices(registry, actor.tenant, query)
  const ids = new Map(devices.map(({ uid, id }) => [uid, id]))
  const series = devices.length === 0 ? [] : await reader.series([...ids.keys()], metrics)
  const answers = await answersFor(reader, series, query, ids)
  return inOrder(answers, metrics)
}

type Reader = TelemetryContext['reader']
type DeviceIds = ReadonlyMap<number, string>

function answersFor(
  reader: Reader,
  series: readonly Series[],
  query: QueryInput,
  ids: DeviceIds,
): Promise<SeriesAnswer[]> | SeriesAnswer[] {
  if (series.length === 0) return []
  if (query.every === undefined) return readPoints(reader, series, query, ids)
  requireNumeric(series)
  return query.group === 'all' ? readFolded(reader, series, query) : readBuckets(reader, series, query, ids)
}

async function bucketsOf(reader: Reader, series: readonly Series[], query: QueryInput) {
  const seriesIds = series.map(({ id }) => id)
  const range = await closedRange(reader, seriesIds, parseRange(query))
  if (!range) return undefined
  const functions = query.fn ?? defaultFunctions
  const columns = await reader.buckets({
    seriesIds,
    ...everything(range),
    goodOnly: query.quality === 'good',
    everyMicros: bucketWidthMicros(query, range),
    functions,
    group: query.group === 'all' ? 'all' : 'series',
    limit: limits.pointsPerQueryMax,
  })
  return { columns, functions }
}

async function readBuckets(
  reader: Reader,
  series: readonly Series[],
  query: QueryInput,
  ids: DeviceIds,
): Promise<SeriesAnswer[]> {
  const found = await bucketsOf(reader, series, query)
  if (!found) return []
  return stretches(found.columns, series, ids, (start, end) => ({ kind: 'buckets', ...found, start, end }))
}

async function readFolded(
  reader: Reader,
  series: readonly Series[],
  query: QueryInput,
): Promise<SeriesAnswer[]> {
  const answers: SeriesAnswer[] = []
  for (const [metric, members] of Map.groupBy(series, ({ metric }) => metric)) {
    const found = await bucketsOf(reader, members, query)
    const end = found?.columns.timeMicros.length ?? 0
    if (!found || end === 0) continue
    const units = new Set(members.map(({ unit }) => unit))
    const unit = units.size === 1 ? members[0]!.unit : null
    answers.push({ device: null, metric, unit, points: { kind: 'buckets', ...found, start: 0, end } })
  }
  return answers
}

async function readPoints(
  reader: Reader,
  series: readonly Series[],
  query: QueryInput,
  ids: DeviceIds,
): Promise<SeriesAnswer[]> {
  const numbers = series.filter(isNumeric)
  const texts = series.filter((one) => !isNumeric(one))
  const results = [
    numbers.length === 0
      ? undefined
      : query.maxPoints === undefined
        ? await rawColumns(reader, numbers, query, 'numbers')
        : await downsampledColumns(reader, numbers, query, query.maxPoints),
    texts.length === 0 ? undefined : await rawColumns(reader, texts, query, 'texts'),
  ]
  return results.flatMap((columns) =>
    columns === undefined
      ? []
      : stretches(columns, series, ids, (start, end, { type }) => ({
          kind: 'raw',
          type,
          columns,
          start,
          end,
        })),
  )
}

async function rawColumns(
  reader: Reader,
  series: readonly Series[],
  query: QueryInput,
  kind: 'numbers' | 'texts',
): Promise<PointsResult> {
  const limit = limits.pointsPerQueryMax
  const columns = await reader.points({
    seriesIds: series.map(({ id }) => id),
    ...everything(parseRange(query)),
    goodOnly: query.quality === 'good',
    kind,
    limit: limit + 1,
  })
  if (columns.timeMicros.length > limit) throw new DroverError('queryTooLarge', { limit, unit: 'points' })
  return columns
}

function downsampledColumns(
  reader: Reader,
  series: readonly Series[],
  query: QueryInput,
  maxPoints: number,
): Promise<PointsResult> {
  const limit = limits.pointsPerQueryMax
  if (series.length * maxPoints > limit) throw new DroverError('queryTooLarge', { limit, unit: 'points' })
  return reader.downsample({
    seriesIds: series.map(({ id }) => id),
    ...everything(parseRange(query)),
    goodOnly: query.quality === 'good',
    maxPoints,
  })
}

/** Columns are in the order of (series, time): one answer for each stretch of the same series. */
function stretches(
  { series: ids }: PointsResult | BucketsResult,
  series: readonly Series[],
  deviceIds: DeviceIds,
  pointsOf: (start: number, end: number, series: Series) => SeriesAnswer['points'],
): SeriesAnswer[] {
  const byId = new Map(series.map((one) => [one.id, one]))
  const answers: SeriesAnswer[] = []
  for (let start = 0, end = 0; start < ids.length; start = end) {
    while (end < ids.length && ids[end] === ids[start]) end++
    const one = byId.get(ids[start]!)!
    const device = deviceIds.get(one.deviceUid)!
    answers.push({ device, metric: one.metric, unit: one.unit, points: pointsOf(start, end, one) })
  }
  return answers
}

function inOrder(answers: readonly SeriesAnswer[], metrics: readonly string[]): SeriesAnswer[] {
  const rank = new Map(metrics.map((metric, at) => [metric, at]))
  const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
  return answers.toSorted(
    (a, b) => compare(a.device ?? '', b.device ?? '') || rank.get(a.metric)! - rank.get(b.metric)!,
  )
}
