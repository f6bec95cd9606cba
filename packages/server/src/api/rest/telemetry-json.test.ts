import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  latestResultSchema,
  latestSchema,
  telemetryPageSchema,
  telemetryQueryResultSchema,
  type ValueType,
} from '@drover/protocol'
import type { z } from 'zod'
import { formatTimeMicros } from '../../model/time.ts'
import type { DeviceLatest, MetricLatest } from '../../telemetry/latest.ts'
import { presentValue, qualityName } from '../../telemetry/values.ts'
import { latestJson, latestsJson, pageJson, seriesJson } from './telemetry-json.ts'

const time = Date.UTC(2026, 0, 1) * 1000

/** What the schema would have sent for the same: it checks everything, and leaves out what it does not know. */
function assertAsSchemaSays(schema: z.ZodType, bytes: Buffer): void {
  const json = String(bytes)
  assert.equal(JSON.stringify(schema.parse(JSON.parse(json))), json)
}

function metricLatest(
  metric: string,
  type: ValueType,
  value: number | string,
  more: Partial<MetricLatest> = {},
): MetricLatest {
  const latest = { timeMicros: time + 1, value, quality: 0 as const }
  return { id: 1, tenant: 1, deviceUid: 1, metric, type, unit: null, latest, ...more }
}

const odd: DeviceLatest = {
  device: 'a.b:c-1',
  metrics: [
    metricLatest('a "quoted" \\ name\n', 'number', -1.5e-7, { unit: '"%"' }),
    metricLatest('big', 'integer', Number.MAX_SAFE_INTEGER),
    metricLatest('huge', 'number', 1e300, {
      latest: { timeMicros: 1_000, value: 1e300, quality: 1 },
    }),
    metricLatest('open', 'boolean', 'false'),
    metricLatest('text', 'string', 'N"W\u2028\ud83d\ude00'),
    metricLatest('tree', 'json', '{"a":[1,null,{"b":"c"}]}'),
    metricLatest('where', 'location', '{"latitude":52.5,"longitude":13.4}'),
  ],
}

describe('telemetry as JSON text', () => {
  it('is what the schema of latest values makes of the same values', () => {
    const metrics = Object.fromEntries(
      odd.metrics.map(({ metric, type, unit, latest }) => {
        const value = presentValue(type, latest.value)
        const quality = qualityName(latest.quality)
        return [metric, { time: formatTimeMicros(latest.timeMicros), value, quality, type, unit }]
      }),
    )
    const one = { device: odd.device, metrics }
    const none = { device: 'none', metrics: {} }
    assert.equal(String(latestJson(odd)), JSON.stringify(latestSchema.parse(one)))
    assert.equal(
      String(latestsJson([odd, { device: 'none', metrics: [] }])),
      JSON.stringify(latestResultSchema.parse({ items: [one, none] })),
    )
    assert.equal(String(latestsJson([])), JSON.stringify(latestResultSchema.parse({ items: [] })))
  })

  it('is what the schemas of points say, for numbers and for texts', () => {
    const columns = {
      series: Int32Array.of(1, 1),
      timeMicros: Float64Array.of(time, time + 1),
      value: Float64Array.of(-0.5, 2 ** 60),
      text: [] as string[],
      quality: Uint8Array.of(0, 1),
    }
    const texts = { ...columns, value: new Float64Array(), text: ['"N"', 'W'] }
    const answer = { device: 'one', metric: 't "x"', unit: 'Cel' }
    for (const [type, given] of [
      ['number', columns],
      ['string', texts],
    ] as const) {
      const points = { kind: 'raw' as const, type, columns: given, start: 0, end: 2 }
      assertAsSchemaSays(telemetryPageSchema, pageJson({ ...answer, points, nextCursor: 'c' }))
      assertAsSchemaSays(telemetryQueryResultSchema, seriesJson([{ ...answer, points }]))
    }
    const json = { ...texts, text: ['{"a":1}', 'true'] }
    const points = { kind: 'raw' as const, type: 'json' as const, columns: json, start: 1, end: 2 }
    assertAsSchemaSays(telemetryPageSchema, pageJson({ ...answer, unit: null, points, nextCursor: null }))
  })

  it('is what the schemas of buckets say, values that a bucket has not included', () => {
    const columns = {
      series: Int32Array.of(1),
      timeMicros: Float64Array.of(time),
      columns: {
        avg: Float64Array.of(Number.NaN),
        min: Float64Array.of(-1),
        max: Float64Array.of(1e21),
        sum: Float64Array.of(0.1),
        count: Float64Array.of(3),
        first: Float64Array.of(1),
        last: Float64Array.of(2),
      },
      good: Float64Array.of(2),
      suspect: Float64Array.of(1),
    }
    const functions = ['avg', 'min', 'max', 'sum', 'count', 'first', 'last'] as const
    const points = { kind: 'buckets' as const, functions, columns, start: 0, end: 1 }
    const series = seriesJson([{ device: null, metric: 't', unit: null, points }])
    assertAsSchemaSays(telemetryQueryResultSchema, series)
    assertAsSchemaSays(telemetryQueryResultSchema, seriesJson([]))
    assert.equal(JSON.parse(String(series)).series[0].points[0].avg, null)
  })

  it('is whole when it is made of many pieces, with characters of several bytes', () => {
    const count = 20_000
    const columns = {
      series: new Int32Array(count).fill(1),
      timeMicros: Float64Array.from({ length: count }, (_, at) => time + at),
      value: new Float64Array(),
      text: Array.from({ length: count }, (_, at) => '\u00e4\u20ac\ud83d\ude00'.repeat(at % 5)),
      quality: new Uint8Array(count),
    }
    const points = { kind: 'raw' as const, type: 'string' as const, columns, start: 0, end: count }
    const answer = { device: 'one', metric: 't', unit: null, points }
    const bytes = seriesJson([answer, answer])
    assertAsSchemaSays(telemetryQueryResultSchema, bytes)
    const [, second] = telemetryQueryResultSchema.parse(JSON.parse(String(bytes))).series
    assert.deepEqual(
      second!.points.map((point) => 'value' in point && point.value),
      columns.text,
    )
    const devices = Array.from({ length: 1_000 }, (_, at) => ({ ...odd, device: `d${at}` }))
    assertAsSchemaSays(latestResultSchema, latestsJson(devices))
  })
})
