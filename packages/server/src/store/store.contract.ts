import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { raw, type SamplePoint, sampleBatch, sampleQuarantine, sampleSeries, writeSample } from './sample.ts'
import { backupTest } from './store.contract.backup.ts'
import { modelTest } from './store.contract.model.ts'
import type { BucketsQuery, Store } from './store.ts'

export interface StoreDriver {
  /** Opens the store in an empty folder, or again in one that it used. `clock`: ms since 1970. */
  open(directory: string, clock: () => number): Promise<Store>
  /** Opens what `backup` wrote; without it, the store's own `backup` has to refuse. */
  openBackup?(directory: string): Promise<Store>
  /** What the driver does with stored points by itself, by name; no answer may change by it. */
  readonly upheavals: Readonly<Record<string, (store: Store) => Promise<void>>>
}

const everything = { fromMicros: 0, toMicros: 4e15, goodOnly: false }
const second = 1_000_000
const day = 86_400 * second

/** What every driver of the store must do. */
export function storeContract(driver: StoreDriver): void {
  const open = async (context: TestContext, clock: () => number = Date.now) => {
    const directory = await mkdtemp(join(tmpdir(), 'drover-store-'))
    const store = await driver.open(join(directory, 'store'), clock)
    context.after(async () => {
      await store.close()
      await rm(directory, { recursive: true })
    })
    return { store, directory }
  }

  for (const [name, upheaval] of Object.entries(driver.upheavals)) {
    test(`the higher version of a point wins in every order (${name} in between)`, async (context) => {
      const { store } = await open(context)
      await writeSample(store, { series: sampleSeries(2), points: [[2, 50, 0, 1]] })
      const orders = [
        [1, 2, 3],
        [1, 3, 2],
        [2, 1, 3],
        [2, 3, 1],
        [3, 1, 2],
        [3, 2, 1],
      ]
      for (const [at, order] of orders.entries())
        for (const version of order) {
          const time = 10 + (at % 3 === 0 ? at : orders.length - at)
          await writeSample(store, { points: [[1, time, version * 10, version, version === 2 ? 1 : 0]] })
          await upheaval(store)
        }
      assert.deepEqual(
        (await raw(store, [1])).map(([, , value]) => value),
        orders.map(() => 30),
      )
    })

    test(`of rows with the same version in one batch the later one wins (${name} after)`, async (context) => {
      const { store } = await open(context)
      const points: SamplePoint[] = [
        [1, 10, 1, 5],
        [1, 20, 2, 5],
        [1, 10, 3, 5],
        [1, 20, 4, 5],
        [1, 15, 5, 5],
        [1, 15, 6, 5],
        [2, 7, 'a', 5],
        [2, 7, 'b', 5],
      ]
      await writeSample(store, { series: sampleSeries(2), points })
      await upheaval(store)
      assert.deepEqual(await raw(store, [1]), [
        [1, 10, 3, 0],
        [1, 15, 6, 0],
        [1, 20, 4, 0],
      ])
      assert.deepEqual(await raw(store, [2], 'texts'), [[2, 7, 'b', 0]])
      assert.equal((await store.reader.latest([100]))[0]?.latest?.value, 4)
    })

    test(`latest is by the time of the point (${name} in between)`, async (context) => {
      const { store } = await open(context)
      const latest = async () => (await store.reader.latest([100])).map((state) => state.latest?.value)
      const writes: [SamplePoint, unknown[]][] = [
        [
          [1, 100, 1, 1],
          [1, undefined],
        ],
        [
          [1, 90, 2, 2],
          [1, undefined],
        ],
        [
          [1, 100, 3, 3],
          [3, undefined],
        ],
        [
          [1, 100, 4, 2],
          [3, undefined],
        ],
        [
          [2, 5, 'on', 4],
          [3, 'on'],
        ],
        [
          [2, 4, 'off', 5],
          [3, 'on'],
        ],
        [
          [1, 101, 6, 6],
          [6, 'on'],
        ],
      ]
      await writeSample(store, { series: sampleSeries(2) })
      for (const [point, expected] of writes) {
        await writeSample(store, { points: [point] })
        assert.deepEqual(await latest(), expected)
        await upheaval(store)
        assert.deepEqual(await latest(), expected)
      }
      const seeded = await store.writer.loadSeries([100, 101])
      assert.deepEqual([...seeded.keys()], [100])
      assert.equal(seeded.get(100)?.[0]?.latest?.timeMicros, 101)
    })

    test(`a deleted device is hidden at once and for good (${name} after)`, async (context) => {
      const { store } = await open(context)
      const [one, two] = [sampleSeries(2), sampleSeries(2, 2, 3)]
      const points: SamplePoint[] = [1, 2, 3, 4].flatMap((id): SamplePoint[] => [
        [id, 10, id, 1],
        [id, 5, id, 2],
      ])
      const keys = [100, 101].map((deviceUid) => ({ deviceUid, key: 'm:a:1', receivedAtMicros: 1 }))
      const quarantine = [sampleQuarantine(100, 1), sampleQuarantine(101, 2)]
      await writeSample(store, { series: [...one, ...two], points, newKeys: keys, quarantine })
      await store.writer.deleteDevice(100)
      await store.writer.deleteDevice(100)
      for (let round = 0; round < 2; round++) {
        assert.deepEqual(await store.reader.series([100]), [])
        assert.deepEqual(await store.reader.latest([100]), [])
        assert.deepEqual(await raw(store, [1, 2]), [])
        assert.equal(await store.reader.extent([1, 2]), undefined)
        assert.equal((await raw(store, [1, 2, 3, 4])).length, 4)
        const folded = await store.reader.buckets(bucketsQuery([1, 2, 3, 4], { group: 'all' }))
        assert.deepEqual([...(folded.columns.sum ?? [])], [14])
        assert.deepEqual(await store.writer.loadKeys([100]), [])
        assert.equal((await store.reader.quarantine({ tenant: 1, limit: 10 })).length, 1)
        await writeSample(store, { points: [[1, 30, 99, 9]] })
        await upheaval(store)
      }
      const { first } = await store.writer.reserveSeriesIds(1)
      assert.ok(first > 4, 'ids are never used again')
    })

    test(`retention keeps what arrived within a day (${name} in between)`, async (context) => {
      let now = 1_800_000_000_000
      const { store } = await open(context, () => now)
      const old = 1_000_000_000 * second
      await writeSample(store, {
        series: sampleSeries(2),
        points: [
          [1, old, 1, 1],
          [2, old, 'old', 1],
          [1, old + day, 2, 1],
        ],
      })
      await upheaval(store)
      now += 2 * 86_400_000
      await writeSample(store, { points: [[1, old + 1, 3, 2]] })
      await upheaval(store)
      const kept = async () => (await raw(store, [1])).map(([, , value]) => value)
      await store.writer.applyRetention(old)
      assert.deepEqual(await kept(), [1, 3, 2])
      await store.writer.applyRetention(old + 10)
      assert.deepEqual(await kept(), [3, 2])
      assert.deepEqual(await raw(store, [2], 'texts'), [])
      assert.deepEqual(
        (await store.reader.latest([100])).map((state) => state.latest?.value),
        [2, undefined],
      )
      await upheaval(store)
      now += 2 * 86_400_000
      await store.writer.applyRetention(old + 10)
      assert.deepEqual(await kept(), [2])
    })
  }

  modelTest(driver, open)

  test('a write that another has overtaken leaves nothing', async (context) => {
    const { store } = await open(context)
    if (store.capabilities.positions === 'none') return context.skip('its writes are not refused')
    await writeSample(store, { series: sampleSeries(2), points: [[1, 10, 1, 1]] })
    const late = sampleBatch(
      { series: sampleSeries(2, 2, 3), points: [[1, 20, 2, 2]], quarantine: [sampleQuarantine(100, 1)] },
      undefined,
      5,
    )
    await assert.rejects(store.writer.write(late), (error) => isDroverError(error, 'positionConflict'))
    const other = sampleBatch({ points: [[1, 20, 2, 2]] }, 1, 5)
    const ofOtherLog = { ...other, position: { ...other.position, identity: 'another' } }
    await assert.rejects(store.writer.write(ofOtherLog), (error) => isDroverError(error, 'identityMismatch'))
    assert.deepEqual(await store.writer.position('processing', 0), { identity: 'log', position: 1 })
    assert.equal(await store.writer.position('processing', 1), undefined)
    assert.equal(await store.writer.position('rules', 0), undefined)
    assert.deepEqual(await raw(store, [1]), [[1, 10, 1, 0]])
    assert.deepEqual(await store.reader.series([101]), [])
    assert.deepEqual(await store.reader.quarantine({ tenant: 1, limit: 10 }), [])
    const ofCopiedLog = { ...other.position, identity: 'copy', expectedIdentity: 'log' }
    await store.writer.write({ ...other, position: ofCopiedLog })
    assert.equal((await raw(store, [1])).length, 2)
  })

  test('a write that is repeated, or was overtaken, changes nothing', async (context) => {
    const { store } = await open(context)
    if (store.capabilities.positions === 'transactional') return context.skip('it refuses such a write')
    const quarantine = [sampleQuarantine(100, 1), sampleQuarantine(100, 1)]
    const newKeys = [{ deviceUid: 100, key: 'm:a:1', receivedAtMicros: 1 }]
    const points: SamplePoint[] = [
      [1, 10, 1, 1],
      [2, 10, 'a', 1],
    ]
    const first = sampleBatch({ series: sampleSeries(2), points, quarantine, newKeys }, undefined, 1)
    const second = sampleBatch(
      { points: [[1, 10, 2, 2]], releasedKeys: [{ deviceUid: 100, key: 'm:a:1' }] },
      1,
      2,
    )
    const state = async () => [
      await raw(store, [1]),
      await raw(store, [2], 'texts'),
      await store.reader.latest([100]),
      await store.reader.quarantine({ tenant: 1, limit: 10 }),
      await store.writer.loadKeys('all'),
      await store.writer.position('processing', 0),
    ]
    for (const batch of [first, first, second]) await store.writer.write(batch)
    const once = await state()
    assert.deepEqual(once[0], [[1, 10, 2, 0]])
    assert.equal((once[3] as unknown[]).length, 2)
    for (const batch of [first, second, first]) await store.writer.write(batch)
    assert.deepEqual(await state(), once)
  })

  test('series are found by their device, and ids are handed out once', async (context) => {
    const { store } = await open(context)
    const [one, two] = [await store.writer.reserveSeriesIds(3), await store.writer.reserveSeriesIds(1)]
    assert.ok(two.first >= one.first + 3)
    const series = [
      { ...sampleSeries(1)[0]!, id: one.first, metric: `o'clock`, type: 'string' as const, unit: '%RH' },
      { ...sampleSeries(1)[0]!, id: one.first + 1, metric: 'ü"\\', tenant: 2, deviceUid: 7 },
    ]
    await writeSample(store, { series })
    assert.deepEqual(await store.reader.series([100]), [series[0]])
    assert.deepEqual(await store.reader.series([7, 8, 100], ['none', series[1]!.metric]), [series[1]])
    assert.deepEqual(await store.reader.latest([7]), [{ ...series[1], latest: undefined }])
  })

  test('texts keep every character', async (context) => {
    const { store } = await open(context)
    const texts = ['', 'true', `it's {"a":"ü😀\\u0000"}`, 'x'.repeat(8192), 'a\u0000b']
    await writeSample(store, {
      series: sampleSeries(1),
      points: texts.map((text, at): SamplePoint => [1, at, text, 1]),
    })
    for (const upheaval of Object.values(driver.upheavals)) {
      await upheaval(store)
      assert.deepEqual(
        (await raw(store, [1], 'texts')).map(([, , text]) => text),
        texts,
      )
    }
  })

  test('buckets are aligned to the epoch and carry both counts', async (context) => {
    const { store } = await open(context)
    const points: SamplePoint[] = [
      [1, 3599 * second, 4, 1],
      [1, 3600 * second, 1, 1],
      [1, 3601 * second, 5, 1, 1],
      [1, 7199 * second, 3, 1],
      [3, 3600 * second, 10, 1],
      [1, 1e6 * 3600 * second, 7, 1, 1],
    ]
    await writeSample(store, { series: sampleSeries(4), points })
    const perSeries = await store.reader.buckets(bucketsQuery([3, 1], { everyMicros: 3600 * second }))
    assert.deepEqual(plain(perSeries), {
      series: [1, 1, 1, 3],
      timeMicros: [0, 3600 * second, 3.6e15, 3600 * second],
      avg: [4, 3, 7, 10],
      min: [4, 1, 7, 10],
      max: [4, 5, 7, 10],
      sum: [4, 9, 7, 10],
      count: [1, 3, 1, 1],
      first: [4, 1, 7, 10],
      last: [4, 3, 7, 10],
      good: [1, 2, 0, 1],
      suspect: [0, 1, 1, 0],
    })
    const good = await store.reader.buckets(
      bucketsQuery([1, 3], { everyMicros: 3600 * second, goodOnly: true, group: 'all' }),
    )
    assert.deepEqual(plain(good), {
      series: [0, 0, 0],
      timeMicros: [0, 3600 * second, 3.6e15],
      avg: [4, 14 / 3, Number.NaN],
      min: [4, 1, Number.NaN],
      max: [4, 10, Number.NaN],
      sum: [4, 14, Number.NaN],
      count: [1, 3, 0],
      first: [4, 1, Number.NaN],
      last: [4, 3, Number.NaN],
      good: [1, 3, 0],
      suspect: [0, 1, 1],
    })
  })

  test('only the asked columns come, in any range, and too many buckets are refused', async (context) => {
    const { store } = await open(context)
    const points = Array.from({ length: 20 }, (_, at): SamplePoint => [1, at * 1e12, at, 1])
    await writeSample(store, { series: sampleSeries(1), points })
    const hundredYears = bucketsQuery([1], { everyMicros: 1, functions: ['max'], limit: 20 })
    const found = await store.reader.buckets(hundredYears)
    assert.deepEqual(Object.keys(found.columns), ['max'])
    assert.deepEqual([...found.timeMicros], [...points.map(([, time]) => time)])
    await assert.rejects(store.reader.buckets({ ...hundredYears, limit: 19 }), (error) =>
      isDroverError(error, 'queryTooLarge'),
    )
    const part = await store.reader.buckets({ ...hundredYears, fromMicros: 1e12, toMicros: 3e12, limit: 2 })
    assert.deepEqual([...part.timeMicros], [1e12, 2e12])
    assert.deepEqual([...(await store.reader.buckets(bucketsQuery([]))).series], [])
  })

  test('downsampling keeps the peaks', async (context) => {
    const { store } = await open(context)
    const value = (at: number) => (at === 4321 ? 1000 : at === 1234 ? -1000 : Math.sin(at / 500))
    const points = Array.from({ length: 10_000 }, (_, at): SamplePoint => [1, at * second, value(at), 1])
    await writeSample(store, { series: sampleSeries(1), points })
    const found = await store.reader.downsample({ ...everything, seriesIds: [1], maxPoints: 200 })
    assert.ok(found.value.length <= 200 && found.value.length > 150, `${found.value.length} points`)
    assert.ok(found.value.includes(1000) && found.value.includes(-1000))
    assert.ok(found.timeMicros.every((time, at) => at === 0 || time > found.timeMicros[at - 1]!))
    const few = await store.reader.downsample({
      ...everything,
      toMicros: 10 * second,
      seriesIds: [1],
      maxPoints: 10,
    })
    assert.deepEqual(
      [...few.value],
      points.slice(0, 10).map(([, , one]) => one),
    )
  })

  test('raw points are paged in both directions', async (context) => {
    const { store } = await open(context)
    const points = Array.from({ length: 25 }, (_, at): SamplePoint => [1, at, at, 1, at % 5 === 0 ? 1 : 0])
    await writeSample(store, { series: sampleSeries(1), points })
    const query = { ...everything, seriesIds: [1], kind: 'numbers' as const, limit: 10 }
    const pages = [0, 10, 20].map((fromMicros) => store.reader.points({ ...query, fromMicros }))
    assert.deepEqual(
      (await Promise.all(pages)).flatMap((page) => [...page.value]),
      points.map((_, at) => at),
    )
    const newest = await store.reader.points({ ...query, limit: 3, descending: true })
    assert.deepEqual([...newest.value], [24, 23, 22])
    const good = await store.reader.points({ ...query, limit: 6, goodOnly: true })
    assert.deepEqual([...good.value], [1, 2, 3, 4, 6, 7])
  })

  test('quarantine is paged newest first, filtered, counted', async (context) => {
    const { store } = await open(context)
    for (let batch = 0; batch < 4; batch++) {
      const quarantine = [0, 1, 2].map((at) =>
        sampleQuarantine(100 + at, batch * 3 + at, at === 1 ? 'payloadNotJson' : 'outOfRange'),
      )
      await writeSample(store, { quarantine, dropped: new Map([[100, 2]]) })
    }
    const { reader, writer } = store
    const first = await reader.quarantine({ tenant: 1, limit: 5 })
    assert.deepEqual(
      first.map((entry) => entry.version),
      [11, 10, 9, 8, 7],
    )
    const rest = await reader.quarantine({ tenant: 1, limit: 50, beforeId: first.at(-1)!.id })
    assert.equal(rest.length, 7)
    const { id, ...row } = first[1]!
    assert.deepEqual(row, sampleQuarantine(101, 10, 'payloadNotJson'))
    assert.deepEqual(await reader.quarantineEntry(1, id), first[1])
    assert.equal(await reader.quarantineEntry(2, id), undefined)
    assert.deepEqual(await reader.quarantine({ tenant: 2, limit: 5 }), [])
    const ofOne = await reader.quarantine({ tenant: 1, deviceUid: 101, reason: 'payloadNotJson', limit: 9 })
    assert.equal(ofOne.length, 4)
    assert.deepEqual(
      await reader.quarantine({ tenant: 1, deviceUid: 101, reason: 'notFinite', limit: 9 }),
      [],
    )
    assert.deepEqual(await writer.quarantineCounts([100, 999]), new Map([[100, 4], [999, 0]])) // biome-ignore format: one line
    assert.equal(await reader.quarantineDropped([100, 101]), 8)
    assert.equal(await reader.quarantineDropped('all'), 8)
    assert.equal(await reader.quarantineDropped([101]), 0)
  })

  test('keys are held until they are released, one by one or by prefix', async (context) => {
    const { store } = await open(context)
    const key = (deviceUid: number, name: string, receivedAtMicros = 1) => ({
      deviceUid,
      key: name,
      receivedAtMicros,
    })
    const names = async () =>
      (await store.writer.loadKeys('all')).map((held) => `${held.deviceUid}/${held.key}`).sort()
    await writeSample(store, {
      newKeys: [key(1, 'm:a:1'), key(1, 'm:a:2'), key(1, 'm:ab:1'), key(2, 'h:x')],
    })
    await writeSample(store, {
      releasedKeys: [{ deviceUid: 1, key: 'm:a:1' }],
      newKeys: [key(2, 'm:a:1', 2)],
    })
    assert.deepEqual(await names(), ['1/m:a:2', '1/m:ab:1', '2/h:x', '2/m:a:1'])
    await writeSample(store, {
      releasedKeys: [{ deviceUid: 1, key: 'm:a:*' }],
      newKeys: [key(1, 'm:a:2', 7)],
    })
    assert.deepEqual(await names(), ['1/m:a:2', '1/m:ab:1', '2/h:x', '2/m:a:1'])
    assert.deepEqual(await store.writer.loadKeys([1]), [key(1, 'm:ab:1'), key(1, 'm:a:2', 7)])
  })

  backupTest(driver, open)

  test('readers see whole writes while writing goes on', async (context) => {
    const { store } = await open(context)
    const isWhole = store.capabilities.positions === 'transactional'
    await writeSample(store, { series: sampleSeries(4) })
    let stop = false
    const reading = (async () => {
      let seen = 0
      while (!stop) {
        const counts = await store.reader.buckets(
          bucketsQuery([1, 2, 3, 4], { functions: ['count'], group: 'all', everyMicros: 4e15 }),
        )
        const count = counts.columns.count?.[0] ?? 0
        if (isWhole) assert.equal(count % 4, 0, `${count} points: part of a write`)
        assert.ok(count >= seen, 'points were seen and then not')
        seen = count
        await new Promise(setImmediate)
      }
    })()
    reading.catch(() => {})
    for (let at = 1; at <= 60; at++) {
      await writeSample(store, { points: [1, 2, 3, 4].map((id): SamplePoint => [id, at, at, at]) })
      assert.deepEqual((await store.reader.points({ ...everything, seriesIds: [1], kind: 'numbers', limit: 1, descending: true })).value[0], at) // biome-ignore format: one line
      if (at % 20 === 0) for (const upheaval of Object.values(driver.upheavals)) await upheaval(store)
    }
    stop = true
    await reading
    assert.equal((await store.reader.status()).points, 240)
    assert.deepEqual(await store.reader.extent([1, 2]), { fromMicros: 1, toMicros: 60 })
  })
}

export function bucketsQuery(
  seriesIds: readonly number[],
  options: Partial<BucketsQuery> = {},
): BucketsQuery {
  return {
    ...everything,
    seriesIds,
    everyMicros: 4e15,
    functions: ['avg', 'min', 'max', 'sum', 'count', 'first', 'last'],
    group: 'series',
    limit: 1000,
    ...options,
  }
}

/** A result with plain arrays, for comparing; the columns beside the others. */
function plain(found: Awaited<ReturnType<Store['reader']['buckets']>>) {
  const { columns, ...rest } = found
  return Object.fromEntries(
    Object.entries({ ...rest, ...columns }).map(([name, column]) => [name, [...column]]),
  )
}
