import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createMemoryStore } from './memory.ts'
import { type SamplePoint, sampleSeries, writeSample } from './sample.ts'
import type { StoreDriver } from './store.contract.ts'
import type { Store } from './store.ts'

type Open = (context: TestContext, clock: () => number) => Promise<{ store: Store; directory: string }>

/** Numbers from a seed, for the same sequence every time (mulberry32). */
export function seeded(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below)
  }
}

const series = 12
const steps = 60
const hour = 3_600_000_000
const day = 24 * hour

/** Whatever happens in whatever order, the driver answers as the memory driver does. */
export function modelTest(driver: StoreDriver, open: Open): void {
  for (const [seed, unitMicros] of [
    [1, 1],
    [2, 5_000_000],
    [3, 5_000_000],
    [4, 60_000_000],
    [5, 60_000_000],
  ] as const)
    test(`answers as the memory driver after any sequence (seed ${seed})`, async (context) => {
      const random = seeded(seed)
      const clock = () => 1_800_000_000_000
      const { store } = await open(context, clock)
      const model = createMemoryStore({ clock })
      await writeBoth(store, model, { series: sampleSeries(series) })
      const upheavals = Object.values(driver.upheavals)
      for (let step = 1; step <= steps; step++) {
        await writeBoth(store, model, { points: randomPoints(random, step, unitMicros) })
        if (random(3) === 0) await upheavals[random(upheavals.length)]?.(store)
        if (step === steps / 2) for (const each of [store, model]) await each.writer.deleteDevice(102)
        if (step % 6 === 0) await compare(store, model, random, unitMicros)
      }
    })
}

async function writeBoth(
  store: Store,
  model: Store,
  batch: Parameters<typeof writeSample>[1],
): Promise<void> {
  await writeSample(store, batch)
  await writeSample(model, batch)
}

/** Mostly newer than before, some far older, some repeated with a lower or higher version. */
function randomPoints(random: (below: number) => number, step: number, unitMicros: number): SamplePoint[] {
  return Array.from({ length: random(40) }, (_, at): SamplePoint => {
    const id = 1 + random(series)
    const time = random(4) === 0 ? 10 * random(10 * step) : 100 * step + 10 * random(10)
    const version = random(8) === 0 ? 1000 * random(step) + at : 1000 * step + at
    const value = id % 4 === 0 ? `text ${random(100)}` : random(1000) / 10
    return [id, time * unitMicros, value, version, random(10) === 0 ? 1 : 0]
  })
}

async function compare(
  store: Store,
  model: Store,
  random: (below: number) => number,
  unit: number,
): Promise<void> {
  const seriesIds = Array.from({ length: 1 + random(series) }, () => 1 + random(series))
  const fromMicros = random(3) === 0 ? 10 * unit * random(500) : 0
  const range = {
    seriesIds,
    fromMicros,
    toMicros: fromMicros + 10 * unit * random(700),
    goodOnly: random(3) === 0,
  }
  const functions = ['min', 'max', 'count', 'first', 'last', 'sum', 'avg'] as const
  const queries: ((of: Store) => Promise<unknown>)[] = [
    ({ reader }) =>
      reader.points({
        ...range,
        kind: 'numbers',
        limit: 1 + random(1),
        descending: fromMicros % (20 * unit) === 0,
      }),
    ({ reader }) => reader.points({ ...range, kind: 'numbers', limit: 10_000 }),
    ({ reader }) => reader.points({ ...range, kind: 'texts', limit: 10_000 }),
    ({ reader }) =>
      reader.buckets({ ...range, everyMicros: 70, functions, group: 'series', limit: 1e9 }).then(rounded),
    ({ reader }) =>
      reader.buckets({ ...range, everyMicros: 300, functions, group: 'all', limit: 1e9 }).then(rounded),
    ({ reader }) =>
      reader.buckets({ ...range, everyMicros: hour, functions, group: 'all', limit: 1e4 }).then(rounded),
    ({ reader }) =>
      reader
        .buckets({ ...range, everyMicros: 3 * hour, functions, group: 'series', limit: 1e4 })
        .then(rounded),
    ({ reader }) =>
      reader
        .buckets({ ...range, fromMicros: 0, everyMicros: hour, functions, group: 'series', limit: 1e4 })
        .then(rounded),
    ({ reader }) =>
      reader.buckets({ ...range, everyMicros: day, functions, group: 'all', limit: 1e4 }).then(rounded),
    ({ reader }) =>
      reader
        .buckets({ ...range, fromMicros: 0, everyMicros: 2 * day, functions, group: 'series', limit: 1e4 })
        .then(rounded),
    ({ reader }) => reader.downsample({ ...range, maxPoints: 9 }),
    ({ reader }) => reader.extent(seriesIds),
    ({ reader }) => reader.latest([100, 101, 102, 103, 104, 105]),
  ]
  for (const query of queries) assert.deepEqual(await query(store), await query(model))
}

/** Sums depend on the order of their terms in the last digits. */
function rounded(found: { readonly columns: Readonly<Partial<Record<string, Float64Array>>> }) {
  const columns = Object.entries(found.columns).map(([name, column]) => [
    name,
    column?.map((v) => Math.fround(v)),
  ])
  return { ...found, columns }
}
