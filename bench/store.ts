import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { type EmbeddedStore, openEmbeddedStore } from '../packages/server/src/store/embedded.ts'
import { PointColumns } from '../packages/server/src/store/points.ts'
import type { BucketsQuery, Series, StoreBatch } from '../packages/server/src/store/store.ts'

/**
 * Fills the embedded store over its public interface and measures it:
 * `node bench/store.ts --points 20000000 [--devices 10000] [--batch 20000] [--rate 600000] [--late 0.001] [--directory DIR]`
 */
const { values: flags } = parseArgs({
  options: {
    points: { type: 'string', default: '5000000' },
    devices: { type: 'string', default: '10000' },
    batch: { type: 'string', default: '20000' },
    /** Points a second; 0: as fast as it goes. */
    rate: { type: 'string', default: '0' },
    /** Share of points that arrive after newer ones. */
    late: { type: 'string', default: '0' },
    queries: { type: 'string', default: '50' },
    /** Measures what is there, without filling it. */
    reuse: { type: 'boolean', default: false },
    directory: { type: 'string' },
  },
})
const points = Number(flags.points)
const devices = Number(flags.devices)
const batchPoints = Number(flags.batch)
const metrics = ['humidity', 'pressure', 'temperature']
const seriesCount = devices * metrics.length
const minute = 60_000_000
const startMicros = 1_700_000_000_000_000

/** Writes readings in turns of the whole fleet, one a minute, with a little jitter in time and one decimal. */
class Filler {
  readonly #store: EmbeddedStore
  #position: number | undefined
  #made = 0

  constructor(filled: EmbeddedStore) {
    this.#store = filled
  }

  async start(): Promise<void> {
    this.#position = (await this.#store.writer.position('processing', 0))?.position
    this.#made = Math.ceil((this.#position ?? 0) / seriesCount) * seriesCount
    if (this.#position !== undefined) return
    const newSeries = Array.from({ length: seriesCount }, (_, index): Series => {
      const metric = metrics[index % metrics.length]!
      const deviceUid = 1 + Math.floor(index / metrics.length)
      return { id: 1 + index, tenant: 1, deviceUid, metric, type: 'number', unit: null }
    })
    await this.#write(new PointColumns(), newSeries)
  }

  async run(count: number): Promise<Record<string, number>> {
    const times: number[] = []
    const columns = new PointColumns()
    const began = performance.now()
    let writing = 0
    for (let done = 0; done < count; done += columns.length) {
      columns.clear()
      while (columns.length < Math.min(batchPoints, count - done)) this.#add(columns)
      await this.#pace(began, done)
      const before = performance.now()
      await this.#write(columns)
      times.push(performance.now() - before)
      writing += times.at(-1)!
    }
    return {
      'points a second': (count * 1000) / (performance.now() - began),
      'points a second in write()': (count * 1000) / writing,
      'write p50 ms': at(times, 0.5),
      'write p99 ms': at(times, 0.99),
      'write max ms': Math.max(...times),
    }
  }

  async #pace(began: number, done: number): Promise<void> {
    const rate = Number(flags.rate)
    const aheadMs = rate > 0 ? (done * 1000) / rate - (performance.now() - began) : 0
    if (aheadMs > 1) await new Promise((resolve) => setTimeout(resolve, aheadMs))
  }

  #add(columns: PointColumns): void {
    const index = this.#made++
    const series = index % seriesCount
    const turn = Math.floor(index / seriesCount)
    const late = Math.random() < Number(flags.late) ? Math.floor(Math.random() * 600) : 0
    const second = (series * 7919) % 60
    const time =
      startMicros + (turn - late) * minute + second * 1_000_000 + Math.floor(Math.random() * 20) * 1000
    const value = Math.round(200 + 80 * Math.sin(turn / 230 + series) + Math.random() * 6) / 10
    columns.add(1 + series, time, value, Math.random() < 0.001 ? 1 : 0, Math.floor(index / metrics.length))
  }

  async #write(numbers: PointColumns, newSeries: readonly Series[] = []): Promise<void> {
    const position = Math.max(this.#made, (this.#position ?? 0) + 1)
    const batch: StoreBatch = {
      newSeries,
      numbers,
      texts: [],
      quarantine: [],
      quarantineDropped: new Map(),
      newKeys: [],
      releasedKeys: [],
      position: {
        consumer: 'processing',
        partition: 0,
        identity: 'bench',
        expected: this.#position,
        position,
      },
      queueBytes: 30 * numbers.length,
    }
    await this.#store.writer.write(batch)
    this.#position = position
  }
}

const directory = flags.directory ?? (await mkdtemp(join(tmpdir(), 'drover-bench-store-')))
const results: Record<string, number | string> = {}
const opened = performance.now()
const store = await openEmbeddedStore({ directory, onError: (error) => console.error(error) })
results['open ms'] = performance.now() - opened
const fill = new Filler(store)
await fill.start()
const stopChecks = watchLoop()

if (!flags.reuse) {
  Object.assign(results, await fill.run(points))
  const settling = performance.now()
  await store.rotate()
  await store.compact()
  results['settled after s'] = (performance.now() - settling) / 1000
}
const { points: stored, segments, segmentBytes } = await store.reader.status()
Object.assign(results, { points: stored, segments, 'bytes per point': segmentBytes / stored })
await measureQueries('compacted')
await measureWhileFilling()
results['loop delay p99 ms'] = stopChecks()
console.table(Object.fromEntries(Object.entries(results).map(([name, value]) => [name, rounded(value)])))
console.log(JSON.stringify(results))
const closing = performance.now()
await store.close()
console.log(`closed in ${rounded(performance.now() - closing)} ms`)
await measureOpen()
if (!flags.directory) await rm(directory, { recursive: true })

async function measureOpen(): Promise<void> {
  const before = performance.now()
  const again = await openEmbeddedStore({ directory, maintenance: 'asked' })
  console.log(`opened again in ${rounded(performance.now() - before)} ms`)
  await again.close()
}

async function measureWhileFilling(): Promise<void> {
  let stop = false
  const filling = (async () => {
    while (!stop) await fill.run(200_000)
  })()
  await measureQueries('while filling')
  stop = true
  await filling
}

async function measureQueries(when: string): Promise<void> {
  const count = Number(flags.queries)
  const range = { fromMicros: 0, toMicros: 4e15, goodOnly: false }
  const every = (everyMicros: number, seriesIds: number[], group: 'series' | 'all'): BucketsQuery => ({
    ...range,
    seriesIds,
    everyMicros,
    functions: ['avg', 'min', 'max'],
    group,
    limit: 20_000,
  })
  const fleet = Array.from({ length: devices }, (_, device) => 1 + 3 * device + 1)
  await percentiles(`one series by the hour, ${when}`, count, () =>
    store.reader.buckets(every(60 * minute, [1 + Math.floor(Math.random() * seriesCount)], 'series')),
  )
  await percentiles(`one series raw page, ${when}`, count, () =>
    store.reader.points({
      ...range,
      seriesIds: [1 + Math.floor(Math.random() * seriesCount)],
      kind: 'numbers',
      limit: 1000,
    }),
  )
  await percentiles(`latest of 1000 devices, ${when}`, count, () =>
    store.reader.latest(Array.from({ length: 1000 }, () => 1 + Math.floor(Math.random() * devices))),
  )
  await percentiles(`one metric of the fleet by the day, ${when}`, Math.ceil(count / 5), () =>
    store.reader.buckets(every(1440 * minute, fleet, 'all')),
  )
}

async function percentiles(name: string, count: number, query: () => Promise<unknown>): Promise<void> {
  const times: number[] = []
  for (let at = 0; at < count; at++) {
    const before = performance.now()
    await query()
    times.push(performance.now() - before)
  }
  Object.assign(results, { [`${name} p50 ms`]: at(times, 0.5), [`${name} p99 ms`]: at(times, 0.99) })
}

function watchLoop(): () => number {
  const histogram = monitorEventLoopDelay({ resolution: 5 })
  histogram.enable()
  return () => histogram.percentile(99) / 1e6
}

function at(times: readonly number[], share: number): number {
  return (
    times.toSorted((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * share))] ??
    Number.NaN
  )
}

function rounded(value: number | string): string {
  return typeof value === 'number' ? String(Number(value.toPrecision(4))) : value
}
