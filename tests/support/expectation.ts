import assert from 'node:assert/strict'
import { type Bucket, limits, type Point } from '@drover/protocol'
import { type Client, eachPage } from '@drover/sdk/client'
import { eventually } from './wait.ts'

export type Value = number | string | boolean

const from = '2000-01-01T00:00:00Z'
const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** What the store should hold of what was sent: of each device, metric and time the last value. */
export class Expectation {
  readonly #series = new Map<string, Map<number, Value>>()

  set(device: string, metric: string, timeMs: number, value: Value): void {
    const name = JSON.stringify([device, metric])
    const series = this.#series.get(name)
    if (series) series.set(timeMs, value)
    else this.#series.set(name, new Map([[timeMs, value]]))
  }

  get size(): number {
    let size = 0
    for (const points of this.#series.values()) size += points.size
    return size
  }

  /** Each device and metric with its points in the order of time. */
  *series(): Generator<{ device: string; metric: string; points: (readonly [number, Value])[] }> {
    for (const [name, points] of this.#series) {
      const [device, metric] = JSON.parse(name) as [string, string]
      yield { device, metric, points: [...points].sort(([a], [b]) => a - b) }
    }
  }
}

/** Every raw point of a series over REST, as milliseconds and value. */
export async function storedPoints(
  client: Client,
  device: string,
  metric: string,
): Promise<[number, Value][]> {
  const stored: [number, Value][] = []
  const load = (cursor?: string) =>
    client.devices.telemetry(device, { metric, from, limit: limits.pagePointsMax, cursor })
  for await (const page of eachPage(load))
    for (const { time, value } of page.points as Point[]) stored.push([Date.parse(time), value as Value])
  return stored
}

/** Waits until as many points are there as expected, then compares each. */
export async function assertPoints(
  client: Client,
  expectation: Expectation,
  deadlineMs = 30_000,
): Promise<void> {
  for (const { device, metric, points } of expectation.series()) {
    const stored = await eventually(
      async () => {
        const found = await storedPoints(client, device, metric)
        if (found.length >= points.length) return found
        throw new Error(`${device} ${metric}: ${found.length} of ${points.length} points are there`)
      },
      { deadlineMs, everyMs: 200 },
    )
    // deepEqual of a hundred thousand pairs takes seconds to say nothing; the first difference says all.
    const difference = stored.findIndex(
      ([time, value], index) => time !== points[index]?.[0] || value !== points[index]?.[1],
    )
    assert.equal(difference, -1, describeDifference(device, metric, stored[difference], points[difference]))
    assert.equal(stored.length, points.length, `${device} ${metric}`)
  }
}

function describeDifference(
  device: string,
  metric: string,
  stored: readonly [number, Value] | undefined,
  expected: readonly [number, Value] | undefined,
): string {
  const show = (point: readonly [number, Value] | undefined) =>
    point === undefined ? 'nothing' : `${new Date(point[0]).toISOString()} ${point[1]}`
  return `${device} ${metric}: stored ${show(stored)}, expected ${show(expected)}`
}

interface Aggregate {
  sum: number
  count: number
  min: number
  max: number
}

function aggregate(points: Iterable<readonly [number, Value]>, everyMs: number): Map<number, Aggregate> {
  const buckets = new Map<number, Aggregate>()
  for (const [time, value] of points) {
    if (typeof value !== 'number') continue
    const start = Math.floor(time / everyMs) * everyMs
    const bucket = buckets.get(start) ?? {
      sum: 0,
      count: 0,
      min: Number.POSITIVE_INFINITY,
      max: Number.NEGATIVE_INFINITY,
    }
    bucket.sum += value
    bucket.count++
    bucket.min = Math.min(bucket.min, value)
    bucket.max = Math.max(bucket.max, value)
    buckets.set(start, bucket)
  }
  return buckets
}

/** Compares each bucket over REST with one computed here: average to 12 digits, the rest exactly. */
export async function assertBuckets(
  client: Client,
  expectation: Expectation,
  every: '1h' | '1d',
): Promise<number> {
  let compared = 0
  for (const { device, metric, points } of expectation.series()) {
    if (typeof points[0]![1] !== 'number') continue
    const expected = aggregate(points, every === '1d' ? dayMs : hourMs)
    const options = { metric, every, fn: ['avg', 'min', 'max', 'count'], ...rangeOf(points) } as const
    const { points: buckets } = await client.devices.telemetry(device, options)
    assert.equal(buckets.length, expected.size, `buckets of ${device} ${metric}`)
    for (const bucket of buckets as Bucket[]) {
      assertBucket(bucket, expected.get(Date.parse(bucket.time)), `${device} ${metric} ${bucket.time}`)
      compared++
    }
  }
  return compared
}

function rangeOf(points: readonly (readonly [number, Value])[]) {
  return {
    from: new Date(points[0]![0]).toISOString(),
    to: new Date(points.at(-1)![0] + 1).toISOString(),
  }
}

function assertBucket(bucket: Bucket, expected: Aggregate | undefined, where: string): void {
  assert.ok(expected, `${where}: there should be no bucket`)
  const average = expected.sum / expected.count
  assert.ok(
    Math.abs(bucket.avg! - average) <= 1e-12 * Math.max(1, Math.abs(average)) * expected.count,
    `${where}: the average is ${bucket.avg} instead of ${average}`,
  )
  const { count, min, max } = bucket
  assert.deepEqual(
    { count, min, max },
    { count: expected.count, min: expected.min, max: expected.max },
    where,
  )
}
