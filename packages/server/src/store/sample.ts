import type { QuarantineReason } from '@drover/protocol'
import { PointColumns, type QualityCode } from './points.ts'
import type { MessageKey, PointsResult, QuarantineRow, Series, Store, StoreBatch } from './store.ts'

/** [series, time in µs, value, version, quality] as tests write points; a string makes it a text point. */
export type SamplePoint = readonly [
  series: number,
  timeMicros: number,
  value: number | string,
  version: number,
  quality?: QualityCode,
]

export interface SampleBatch {
  readonly series?: readonly Series[]
  readonly points?: readonly SamplePoint[]
  readonly quarantine?: readonly QuarantineRow[]
  readonly dropped?: ReadonlyMap<number, number>
  readonly newKeys?: readonly MessageKey[]
  readonly releasedKeys?: StoreBatch['releasedKeys']
}

/** Series 1 … `count` of devices with `metricsPerDevice` metrics m0, m1, … each. */
export function sampleSeries(count: number, metricsPerDevice = 2, first = 1): Series[] {
  return Array.from({ length: count }, (_, index) => ({
    id: first + index,
    tenant: 1,
    deviceUid: 100 + Math.floor((first - 1 + index) / metricsPerDevice),
    metric: `m${(first - 1 + index) % metricsPerDevice}`,
    type: 'number' as const,
    unit: null,
  }))
}

export function sampleBatch(batch: SampleBatch, expected: number | undefined, position: number): StoreBatch {
  const numbers = new PointColumns()
  const texts = []
  for (const [series, timeMicros, value, version, quality = 0] of batch.points ?? [])
    if (typeof value === 'number') numbers.add(series, timeMicros, value, quality, version)
    else texts.push({ series, timeMicros, text: value, quality, version })
  return {
    newSeries: batch.series ?? [],
    numbers,
    texts,
    quarantine: batch.quarantine ?? [],
    quarantineDropped: batch.dropped ?? new Map(),
    newKeys: batch.newKeys ?? [],
    releasedKeys: batch.releasedKeys ?? [],
    position: { consumer: 'processing', partition: 0, identity: 'log', expected, position },
    queueBytes: 30 * numbers.length,
  }
}

/** Writes a batch behind the position that is stored; answers the new position. */
export async function writeSample(store: Store, batch: SampleBatch): Promise<number> {
  const expected = (await store.writer.position('processing', 0))?.position
  const position = (expected ?? 0) + 1
  await store.writer.write(sampleBatch(batch, expected, position))
  return position
}

export function sampleQuarantine(
  deviceUid: number,
  version: number,
  reason: QuarantineReason = 'outOfRange',
): QuarantineRow {
  const payload = new TextEncoder().encode(`{"temperature":-273,"n":${version}}`)
  return {
    tenant: 1,
    deviceUid,
    reason,
    message: `-273 is below -40 ('temperature')`,
    metric: 'temperature',
    receivedAtMicros: 1_700_000_000_000_000 + version,
    contentType: 1,
    payload,
    payloadBytes: payload.length,
    version,
  }
}

/** All points of these series as [series, time, value, quality]. */
export async function raw(store: Store, seriesIds: readonly number[], kind: 'numbers' | 'texts' = 'numbers') {
  return pointRows(
    await store.reader.points({
      seriesIds,
      kind,
      fromMicros: 0,
      toMicros: 4e15,
      goodOnly: false,
      limit: 100_000,
    }),
  )
}

export function pointRows(found: PointsResult): (number | string)[][] {
  const { series, timeMicros, value, text, quality } = found
  const values = value.length > 0 ? value : text
  return Array.from(series, (id, at) => [id, timeMicros[at]!, values[at]!, quality[at]!])
}
