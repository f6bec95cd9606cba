import { type Bucket, isDroverError, type Point } from '@drover/protocol'
import type { Client } from '@drover/sdk/client'
import { type BucketWidth, bucketWidth, spanOf, type TimeWindow, type View } from './range.ts'

/** What a chart draws of one metric. */
export interface Series {
  readonly window: TimeWindow
  readonly unit: string | null
  readonly points: readonly DrawnPoint[]
  /** The width of a bucket; undefined when every value is drawn. */
  readonly width: BucketWidth | undefined
  /** Whether it is true or false, and drawn as steps. */
  readonly boolean: boolean
  /** Whether the window begins with more values than can be drawn, which are left out. */
  readonly cut: boolean
}

export interface DrawnPoint {
  /** Where it is drawn, in milliseconds since 1970: the middle of a bucket. */
  readonly time: number
  /** The time of the value, or the start of the bucket. */
  readonly start: number
  /** The value, or the average of the bucket; null where there is none to draw. */
  readonly value: number | null
  readonly min: number | null
  readonly max: number | null
  /** How many values it stands for. */
  readonly count: number
  readonly suspect: number
}

interface SeriesRequest {
  readonly device: string
  readonly metric: string
  readonly boolean: boolean
  readonly view: View
  readonly bucketsMax: number
  readonly signal?: AbortSignal
}

/** Up to so many values are drawn as they are; more are drawn as buckets. */
const rawPointsMax = 600
/** True and false have no averages: of so many values, the changes are drawn. */
const booleansMax = 20_000

/** Asks the server at the resolution that the chart can show, so that a year costs no more than an hour. */
export async function loadSeries(client: Client, request: SeriesRequest): Promise<Series> {
  const { device, metric, bucketsMax, signal } = request
  const window = await windowOf(client, request)
  const range = { metric, from: window.from, to: window.to + 1 }
  if (request.boolean) {
    const newest = { ...range, limit: booleansMax, order: 'desc' } as const
    const page = await client.devices.telemetry(device, newest, signal)
    const points = changes(page.points.toReversed().map(drawnPoint))
    return { window, unit: null, width: undefined, boolean: true, cut: page.nextCursor !== null, points }
  }
  const raw = await client.devices.telemetry(device, { ...range, limit: rawPointsMax }, signal)
  const drawn = { window, unit: raw.unit, boolean: false, cut: false }
  if (raw.nextCursor === null) return { ...drawn, width: undefined, points: raw.points.map(drawnPoint) }
  const width = bucketWidth(window, bucketsMax)
  const fn = ['avg', 'min', 'max'] as const
  const page = await client.devices.telemetry(device, { ...range, every: width.every, fn }, signal)
  return {
    ...drawn,
    width,
    points: page.points.map((bucket) => drawnBucket(bucket as Bucket, width.ms, window)),
  }
}

async function windowOf(
  client: Client,
  { device, metric, view, signal }: SeriesRequest,
): Promise<TimeWindow> {
  if (view.kind === 'fixed') return { from: view.from, to: view.to }
  const now = Date.now()
  if (view.range !== 'all') return { from: now - spanOf(view), to: now }
  const [first, latest] = await Promise.all([
    client.devices.telemetry(device, { metric, limit: 1 }, signal),
    client.devices.latest(device, signal),
  ])
  const from = first.points[0] ? Date.parse(first.points[0].time) : now - 3_600_000
  const last = latest.metrics[metric]
  return padded({ from, to: last ? Date.parse(last.time) : now })
}

/** A little air at both ends, and never nothing. */
function padded({ from, to }: TimeWindow): TimeWindow {
  const air = Math.max(1_000, (to - from) / 50)
  return { from: Math.floor(from - air), to: Math.ceil(to + air) }
}

/** The first and the last of each run of equal values. */
export function changes(points: readonly DrawnPoint[]): DrawnPoint[] {
  const sameAs = (index: number, { value, suspect }: DrawnPoint) =>
    points[index]?.value === value && points[index].suspect === suspect
  return points.filter((point, index) => !sameAs(index - 1, point) || !sameAs(index + 1, point))
}

function drawnPoint(point: Point | Bucket): DrawnPoint {
  const { time, value, quality } = point as Point
  const number = typeof value === 'boolean' ? Number(value) : value
  const drawn = typeof number === 'number' ? number : null
  const start = Date.parse(time)
  const suspect = quality === 'suspect' ? 1 : 0
  return { time: start, start, value: drawn, min: drawn, max: drawn, count: 1, suspect }
}

/** A bucket is drawn at its middle; the first and the last reach beyond the window. */
function drawnBucket(bucket: Bucket, widthMs: number, { from, to }: TimeWindow): DrawnPoint {
  const { avg = null, min = null, max = null, good, suspect } = bucket
  const start = Date.parse(bucket.time)
  const time = Math.min(Math.max(start + widthMs / 2, from), to)
  return { time, start, value: avg, min, max, count: good + suspect, suspect }
}

/** Whether the failure means that the device has never sent this metric. */
export function isMissing(error: unknown): boolean {
  return isDroverError(error, 'notFound')
}
