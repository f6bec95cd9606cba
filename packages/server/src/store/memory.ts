import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { deserialize, serialize } from 'node:v8'
import { type AggregateFunction, DroverError } from '@drover/protocol'
import { dayMicros, micros } from './micros.ts'
import type { QualityCode } from './points.ts'
import { DurableListeners, fence, positionKey } from './position.ts'
import type {
  BucketsQuery,
  BucketsResult,
  DownsampleQuery,
  MessageKey,
  PointsResult,
  QuarantineQuery,
  QuarantineStored,
  RawQuery,
  Series,
  SeriesRange,
  SeriesState,
  Store,
  StoreBatch,
  StoreReader,
  StoreWriter,
} from './store.ts'

interface MemoryPoint {
  readonly timeMicros: number
  readonly value: number | string
  readonly quality: QualityCode
  readonly version: number
  readonly arrivedMicros: number
}

/** Everything the store holds; what a backup writes and what is opened again. */
interface Contents {
  series: Map<number, Series>
  /** By series id, then by time. */
  points: Map<number, Map<number, MemoryPoint>>
  quarantine: QuarantineStored[]
  dropped: Map<number, number>
  keys: Map<number, Map<string, MessageKey>>
  positions: Map<string, { identity: string; position: number }>
  deletedDevices: Set<number>
  nextSeries: number
  nextQuarantine: number
}

export interface MemoryStoreOptions {
  /** The wall clock, ms since 1970. */
  readonly clock?: () => number
  /** A folder that `backup` of a memory store filled; its contents are taken over. */
  readonly backup?: string
}

/** The store without a disk: what it answers is what every driver must answer. For tests. */
export async function openMemoryStore(options: MemoryStoreOptions = {}): Promise<Store> {
  const contents = options.backup
    ? (deserialize(await readFile(join(options.backup, backupFile))) as Contents)
    : emptyContents()
  return createMemoryStore({ clock: options.clock }, contents)
}

const backupFile = 'memory-store'

function emptyContents(): Contents {
  return {
    series: new Map(),
    points: new Map(),
    quarantine: [],
    dropped: new Map(),
    keys: new Map(),
    positions: new Map(),
    deletedDevices: new Set(),
    nextSeries: 1,
    nextQuarantine: 1,
  }
}

export function createMemoryStore(
  { clock = Date.now }: Pick<MemoryStoreOptions, 'clock'> = {},
  contents = emptyContents(),
): Store {
  return {
    capabilities: { positions: 'transactional', backups: 'own' },
    writer: memoryWriter(contents, clock),
    reader: memoryReader(contents),
    backup: async (directory) => {
      const bytes = serialize(contents)
      await mkdir(directory, { recursive: true })
      await writeFile(join(directory, backupFile), bytes)
    },
    close: async () => {},
  }
}

function memoryWriter(contents: Contents, clock: () => number): StoreWriter {
  const durable = new DurableListeners()
  return {
    reserveSeriesIds: async (count) => {
      const first = contents.nextSeries
      contents.nextSeries += count
      return { first, count }
    },
    loadSeries: async (deviceUids) => Map.groupBy(states(contents, deviceUids), (state) => state.deviceUid),
    loadKeys: async (deviceUids) => {
      const wanted = deviceUids === 'all' ? [...contents.keys.keys()] : deviceUids
      return wanted.flatMap((uid) => [...(contents.keys.get(uid)?.values() ?? [])])
    },
    quarantineCounts: async (deviceUids) => {
      const kept = Map.groupBy(contents.quarantine, (entry) => entry.deviceUid)
      return new Map(deviceUids.map((uid) => [uid, kept.get(uid)?.length ?? 0]))
    },
    position: async (consumer, partition) => contents.positions.get(positionKey(consumer, partition)),
    write: async (batch) => {
      const { consumer, partition, identity, position } = batch.position
      const key = positionKey(consumer, partition)
      fence(contents.positions.get(key), batch.position)
      contents.positions.set(key, { identity, position })
      writeContents(contents, batch, micros(clock()))
      durable.tell(batch.position)
    },
    onDurable: durable.add,
    deleteDevice: async (deviceUid) => deleteDevice(contents, deviceUid),
    applyRetention: async (olderThanMicros) => {
      const arrivedBefore = micros(clock()) - dayMicros
      for (const points of contents.points.values())
        for (const point of points.values())
          if (point.timeMicros < olderThanMicros && point.arrivedMicros < arrivedBefore)
            points.delete(point.timeMicros)
    },
  }
}

function writeContents(contents: Contents, batch: StoreBatch, arrivedMicros: number): void {
  for (const series of batch.newSeries) {
    contents.nextSeries = Math.max(contents.nextSeries, series.id + 1)
    if (!contents.deletedDevices.has(series.deviceUid)) contents.series.set(series.id, series)
  }
  const { numbers } = batch
  for (let at = 0; at < numbers.length; at++) {
    const quality = numbers.quality[at] as QualityCode
    const [timeMicros, version] = [numbers.timeAt(at), numbers.versionAt(at)]
    put(contents, numbers.series[at]!, {
      timeMicros,
      value: numbers.value[at]!,
      quality,
      version,
      arrivedMicros,
    })
  }
  for (const { series, timeMicros, text, quality, version } of batch.texts)
    put(contents, series, { timeMicros, value: text, quality, version, arrivedMicros })
  for (const row of batch.quarantine) contents.quarantine.push({ ...row, id: contents.nextQuarantine++ })
  for (const [uid, count] of batch.quarantineDropped)
    contents.dropped.set(uid, (contents.dropped.get(uid) ?? 0) + count)
  writeKeys(contents, batch)
}

function put(contents: Contents, series: number, point: MemoryPoint): void {
  if (!contents.series.has(series)) return
  const points = contents.points.get(series) ?? new Map<number, MemoryPoint>()
  contents.points.set(series, points)
  const stored = points.get(point.timeMicros)
  if (!stored || point.version >= stored.version) points.set(point.timeMicros, point)
}

function writeKeys({ keys }: Contents, batch: StoreBatch): void {
  for (const { deviceUid, key } of batch.releasedKeys) {
    const held = keys.get(deviceUid)
    if (!key.endsWith('*')) held?.delete(key)
    else for (const one of held?.keys() ?? []) if (one.startsWith(key.slice(0, -1))) held?.delete(one)
  }
  for (const added of batch.newKeys) {
    const held = keys.get(added.deviceUid) ?? new Map<string, MessageKey>()
    keys.set(added.deviceUid, held.set(added.key, added))
  }
}

function deleteDevice(contents: Contents, deviceUid: number): void {
  contents.deletedDevices.add(deviceUid)
  for (const { id } of seriesOf(contents, [deviceUid])) {
    contents.series.delete(id)
    contents.points.delete(id)
  }
  contents.quarantine = contents.quarantine.filter((entry) => entry.deviceUid !== deviceUid)
  contents.dropped.delete(deviceUid)
  contents.keys.delete(deviceUid)
}

function seriesOf(contents: Contents, deviceUids: readonly number[]): Series[] {
  const wanted = new Set(deviceUids)
  return [...contents.series.values()].filter((series) => wanted.has(series.deviceUid))
}

function states(contents: Contents, deviceUids: readonly number[]): SeriesState[] {
  return seriesOf(contents, deviceUids).map((series) => {
    const point = sorted(contents, series.id).at(-1)
    return {
      ...series,
      latest: point && { timeMicros: point.timeMicros, value: point.value, quality: point.quality },
    }
  })
}

function sorted(contents: Contents, series: number): MemoryPoint[] {
  return [...(contents.points.get(series)?.values() ?? [])].sort((a, b) => a.timeMicros - b.timeMicros)
}

interface Row extends MemoryPoint {
  readonly series: number
}

/** The points of one kind in the range, in the order of (series, time). */
function rowsOf(contents: Contents, range: SeriesRange, kind: 'numbers' | 'texts'): Row[] {
  const type = kind === 'numbers' ? 'number' : 'string'
  return [...new Set(range.seriesIds)]
    .sort((a, b) => a - b)
    .flatMap((series) => sorted(contents, series).map((point) => ({ ...point, series })))
    .filter((row) => row.timeMicros >= range.fromMicros && row.timeMicros < range.toMicros)
    .filter((row) => typeof row.value === type && (!range.goodOnly || row.quality === 0))
}

function memoryReader(contents: Contents): StoreReader {
  return {
    series: async (deviceUids, metrics) =>
      seriesOf(contents, deviceUids).filter(({ metric }) => metrics?.includes(metric) ?? true),
    latest: async (deviceUids) => states(contents, deviceUids),
    points: async (query) => rawPoints(contents, query),
    buckets: async (query) => buckets(rowsOf(contents, { ...query, goodOnly: false }, 'numbers'), query),
    downsample: async (query) => downsample(contents, query),
    quarantine: async (query) => quarantine(contents, query),
    quarantineEntry: async (tenant, id) =>
      contents.quarantine.find((entry) => entry.id === id && entry.tenant === tenant),
    quarantineDropped: async (deviceUids) => {
      const wanted = deviceUids === 'all' ? [...contents.dropped.keys()] : deviceUids
      return wanted.reduce((sum, uid) => sum + (contents.dropped.get(uid) ?? 0), 0)
    },
    extent: async (seriesIds) => {
      const times = seriesIds.flatMap((id) => sorted(contents, id).map((point) => point.timeMicros))
      if (times.length === 0) return undefined
      return { fromMicros: Math.min(...times), toMicros: Math.max(...times) }
    },
    status: async () => ({
      series: contents.series.size,
      points: [...contents.points.values()].reduce((sum, points) => sum + points.size, 0),
      hotPoints: 0,
      latePoints: 0,
      segments: 0,
      segmentBytes: 0,
      quarantined: contents.quarantine.length,
    }),
  }
}

function rawPoints(contents: Contents, query: RawQuery): PointsResult {
  const rows = rowsOf(contents, query, query.kind)
  if (query.descending) rows.sort((a, b) => a.series - b.series || b.timeMicros - a.timeMicros)
  return pointColumns(rows.slice(0, query.limit), query.kind)
}

function pointColumns(rows: readonly Row[], kind: 'numbers' | 'texts'): PointsResult {
  return {
    series: Int32Array.from(rows, (row) => row.series),
    timeMicros: Float64Array.from(rows, (row) => row.timeMicros),
    value: kind === 'numbers' ? Float64Array.from(rows, (row) => row.value as number) : new Float64Array(),
    text: kind === 'texts' ? rows.map((row) => row.value as string) : [],
    quality: Uint8Array.from(rows, (row) => row.quality),
  }
}

function buckets(rows: readonly Row[], query: BucketsQuery): BucketsResult {
  const { everyMicros, functions, group, limit } = query
  const byBucket = Map.groupBy(rows, (row) => {
    const time = Math.floor(row.timeMicros / everyMicros) * everyMicros
    return `${group === 'all' ? 0 : row.series}/${time}`
  })
  if (byBucket.size > limit) throw new DroverError('queryTooLarge', { limit, unit: 'buckets' })
  const found = [...byBucket]
    .map(([key, members]) => {
      const [series, timeMicros] = key.split('/').map(Number) as [number, number]
      return { series, timeMicros, members: members.sort((a, b) => a.timeMicros - b.timeMicros) }
    })
    .sort((a, b) => a.series - b.series || a.timeMicros - b.timeMicros)
  const counted = (quality: QualityCode) =>
    Float64Array.from(found, ({ members }) => members.filter((row) => row.quality === quality).length)
  const columns: Partial<Record<AggregateFunction, Float64Array>> = {}
  for (const name of functions)
    columns[name] = Float64Array.from(found, ({ members }) =>
      aggregates[name](
        members.filter((row) => !query.goodOnly || row.quality === 0).map((row) => row.value as number),
      ),
    )
  return {
    series: Int32Array.from(found, (bucket) => bucket.series),
    timeMicros: Float64Array.from(found, (bucket) => bucket.timeMicros),
    columns,
    good: counted(0),
    suspect: counted(1),
  }
}

const orNaN = (values: readonly number[], result: number) => (values.length === 0 ? Number.NaN : result)
const sumOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0)

/** Of the values of one bucket in the order of time (of series at the same time). */
const aggregates: Record<AggregateFunction, (values: readonly number[]) => number> = {
  avg: (values) => orNaN(values, sumOf(values) / values.length),
  min: (values) => orNaN(values, Math.min(...values)),
  max: (values) => orNaN(values, Math.max(...values)),
  sum: (values) => orNaN(values, sumOf(values)),
  count: (values) => values.length,
  first: (values) => values[0] ?? Number.NaN,
  last: (values) => values.at(-1) ?? Number.NaN,
}

function downsample(contents: Contents, query: DownsampleQuery): PointsResult {
  const rows = Map.groupBy(rowsOf(contents, query, 'numbers'), (row) => row.series)
  return pointColumns(
    [...rows.values()].flatMap((points) => extremes(points, query.maxPoints)),
    'numbers',
  )
}

/** All points, or of each of equally long stretches of time the earliest of its smallest and of its largest values. */
function extremes(rows: Row[], maxPoints: number): Row[] {
  if (rows.length <= maxPoints) return rows
  const stretches = Math.max(1, Math.floor(maxPoints / 2))
  const from = rows[0]!.timeMicros
  const span = rows.at(-1)!.timeMicros - from + 1
  const byStretch = Map.groupBy(rows, (row) => Math.floor(((row.timeMicros - from) * stretches) / span))
  return [...byStretch.values()].flatMap((members) => {
    const values = members.map((row) => row.value as number)
    const low = members[values.indexOf(Math.min(...values))]!
    const high = members[values.indexOf(Math.max(...values))]!
    return low === high ? [low] : [low, high].sort((a, b) => a.timeMicros - b.timeMicros)
  })
}

function quarantine(contents: Contents, query: QuarantineQuery): QuarantineStored[] {
  const { tenant, deviceUid, reason, limit, beforeId = Number.POSITIVE_INFINITY } = query
  return contents.quarantine
    .filter((entry) => entry.tenant === tenant && entry.id < beforeId)
    .filter((entry) => deviceUid === undefined || entry.deviceUid === deviceUid)
    .filter((entry) => reason === undefined || entry.reason === reason)
    .sort((a, b) => b.id - a.id)
    .slice(0, limit)
}
