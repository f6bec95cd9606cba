import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { type EmbeddedStore, type EmbeddedStoreOptions, openEmbeddedStore } from './embedded.ts'
import { type SamplePoint, sampleSeries, writeSample } from './sample.ts'
import { bucketsQuery } from './store.contract.ts'

async function open(context: TestContext, options: Partial<EmbeddedStoreOptions> = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'drover-store-'))
  const opened: EmbeddedStore[] = []
  const openAgain = async (more: Partial<EmbeddedStoreOptions> = {}) => {
    await opened.at(-1)?.close()
    opened.push(await openEmbeddedStore({ directory, ...options, ...more }))
    return opened.at(-1)!
  }
  context.after(async () => {
    for (const store of opened) await store.close()
    await rm(directory, { recursive: true })
  })
  return { store: await openAgain(), directory, openAgain }
}

/** `count` points of series 1, a ms apart. */
function points(first: number, count: number): SamplePoint[] {
  return Array.from({ length: count }, (_, at) => [1, (first + at) * 1000, (first + at) % 7, first + at])
}

test('a query that takes too long is stopped, and its connection used again', async (context) => {
  const { store, openAgain } = await open(context, { maintenance: 'asked' })
  await writeSample(store, { series: sampleSeries(1), points: points(0, 400_000) })
  const hasty = await openAgain({ queryTimeoutMs: 15, readConnections: 1 })
  const slow = { seriesIds: [1], fromMicros: 0, toMicros: 4e15, goodOnly: false, maxPoints: 20_000 }
  await assert.rejects(hasty.reader.downsample(slow), (error) => isDroverError(error, 'queryTimedOut'))
  const waiting = [hasty.reader.downsample(slow), hasty.reader.downsample(slow)]
  for (const result of await Promise.allSettled(waiting))
    assert.ok(result.status === 'rejected' && isDroverError(result.reason, 'queryTimedOut'))
  const patient = await openAgain({ readConnections: 1 })
  assert.equal((await patient.reader.downsample({ ...slow, maxPoints: 10 })).value.length, 10)
})

test('one query more than may wait is refused at once', async (context) => {
  const { store } = await open(context, { maintenance: 'asked', readConnections: 1, queriesWaitingMax: 2 })
  await writeSample(store, { series: sampleSeries(1), points: points(0, 1000) })
  const results = await Promise.allSettled(
    Array.from({ length: 4 }, () => store.reader.buckets(bucketsQuery([1]))),
  )
  const refused = results.filter((result) => result.status === 'rejected')
  assert.equal(refused.length, 1)
  assert.ok(isDroverError(refused[0]!.reason, 'tooManyRequests'))
})

test('tables, files and ledger stay bounded while points pour in', async (context) => {
  const { store, directory } = await open(context, { hotPointsMax: 20_000, latePointsMax: 2_000 })
  await writeSample(store, { series: sampleSeries(1) })
  for (let batch = 0; batch < 100; batch++) {
    const late: SamplePoint[] = batch % 2 === 0 ? [] : points(batch * 10, 500).map(([id, time, value]) => [id, time + 1, value as number, 1]) // biome-ignore format: one line
    await writeSample(store, { points: [...points(batch * 5_000, 5_000), ...late] })
    const { hotPoints } = await store.reader.status()
    assert.ok(hotPoints <= 4 * 20_000, `${hotPoints} hot points`)
  }
  await store.rotate()
  await store.compact()
  const { segments, points: stored } = await store.reader.status()
  assert.ok(segments <= 6, `${segments} segments`)
  assert.ok(stored >= 500_000, `${stored} points`)
  const files = await readdir(join(directory, 'segments'))
  const count = (part: RegExp) => files.filter((file) => part.test(file)).length
  assert.deepEqual([count(/^numbers-\d+\.parquet$/), count(/^latest-/)], [segments, 1])
  assert.ok(count(/\.sums\./) > 0 && count(/\.sums\./) <= segments, `${count(/\.sums\./)} files of sums`)
  const { size } = await stat(join(directory, 'ledger.sqlite'))
  assert.ok(size < 1_000_000, `the ledger has ${size} bytes`)
})

test('a store that is opened again is as it was', async (context) => {
  const { store, openAgain } = await open(context, { maintenance: 'asked' })
  const { first } = await store.writer.reserveSeriesIds(4)
  await writeSample(store, {
    series: sampleSeries(4, 2, first),
    points: [
      [1, 10, 1, 1],
      [1, 20, 2, 2, 1],
      [2, 20, 'two', 2],
      [3, 20, 3, 2],
    ],
    newKeys: [
      { deviceUid: 7, key: 'm:a:1', receivedAtMicros: 5 },
      { deviceUid: 8, key: 'm:a:1', receivedAtMicros: 5 },
    ],
    dropped: new Map([[9, 4]]),
  })
  await writeSample(store, { points: [[1, 20, 2.5, 9]], releasedKeys: [{ deviceUid: 8, key: 'm:*' }] })
  await store.writer.deleteDevice(101)
  const seen = async ({ reader, writer }: EmbeddedStore) => [
    await reader.latest([100, 101]),
    await reader.series([100, 101]),
    await reader.quarantineDropped('all'),
    await writer.loadKeys('all'),
    await writer.position('processing', 0),
  ]
  const before = await seen(store)
  for (const upheaval of ['nothing', 'rotate', 'compact'] as const) {
    const again = await openAgain()
    assert.deepEqual(await seen(again), before)
    assert.ok((await again.writer.reserveSeriesIds(1)).first >= first + 4)
    if (upheaval !== 'nothing') await again[upheaval]()
  }
})

test('a missing segment is named when the store is opened', async (context) => {
  const { store, directory, openAgain } = await open(context, { maintenance: 'asked' })
  await writeSample(store, { series: sampleSeries(1), points: points(0, 10) })
  await store.rotate()
  const folder = join(directory, 'segments')
  const file = (await readdir(folder)).find((name) => name.startsWith('numbers'))
  await rm(join(folder, file!))
  await assert.rejects(
    openAgain(),
    (error) => isDroverError(error, 'corruptData') && /missing/.test(error.message),
  )
})

test('points of a deleted device leave the files', async (context) => {
  const { store } = await open(context, { maintenance: 'asked' })
  const both: SamplePoint[] = points(0, 100).flatMap((point): SamplePoint[] => [
    point,
    [2, ...point.slice(1)] as never,
  ])
  await writeSample(store, { series: sampleSeries(2, 1), points: both })
  await store.rotate()
  await store.writer.deleteDevice(100)
  assert.equal((await store.reader.status()).points, 200)
  await store.compact()
  assert.equal((await store.reader.status()).points, 100)
  assert.equal((await store.reader.buckets(bucketsQuery([2]))).columns.count?.[0], 100)
})
