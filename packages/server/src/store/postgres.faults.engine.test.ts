import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { startPostgres } from '../../../../tests/support/services/postgres.ts'
import { eventually } from '../../../../tests/support/wait.ts'
import { openPostgresStore } from './postgres.ts'
import { raw, sampleBatch, sampleSeries, writeSample } from './sample.ts'

const server = await startPostgres()
after(() => server[Symbol.asyncDispose]())

const { url } = server
const isUnavailable = (error: unknown) => isDroverError(error, 'storeUnavailable')

test('while the server is away it is said so, and afterwards everything goes on', async (context) => {
  const store = await openPostgresStore({ url, schema: 'away', maintenance: 'asked' })
  context.after(() => store.close())
  await writeSample(store, { series: sampleSeries(1), points: [[1, 1, 1, 1]] })
  const next = sampleBatch({ points: [[1, 2, 2, 2]] }, 1, 2)
  await server.kill()
  await assert.rejects(store.writer.write(next), isUnavailable)
  await assert.rejects(store.reader.latest([100]), isUnavailable)
  await assert.rejects(openPostgresStore({ url, schema: 'away' }), isUnavailable)
  await server.restart()
  await eventually(() =>
    store.writer.write(next).then(
      () => true,
      () => false,
    ),
  )
  assert.deepEqual(await raw(store, [1]), [
    [1, 1, 1, 0],
    [1, 2, 2, 0],
  ])
})

test('a server that does not answer is given up', async (context) => {
  const store = await openPostgresStore({ url, schema: 'mute', maintenance: 'asked', writeTimeoutMs: 500 })
  context.after(() => store.close())
  await writeSample(store, { series: sampleSeries(1) })
  server.pause()
  try {
    await assert.rejects(writeSample(store, { points: [[1, 1, 1, 1]] }), isUnavailable)
  } finally {
    server.resume()
  }
  await eventually(() =>
    writeSample(store, { points: [[1, 1, 1, 1]] }).then(
      () => true,
      () => false,
    ),
  )
  assert.equal((await raw(store, [1])).length, 1)
})

test('a query that takes too long is stopped', async (context) => {
  const store = await openPostgresStore({ url, schema: 'slow', maintenance: 'asked', queryTimeoutMs: 10 })
  context.after(() => store.close())
  const points = Array.from({ length: 50_000 }, (_, at) => [1, at, at, 1] as const)
  await writeSample(store, { series: sampleSeries(1), points })
  await assert.rejects(
    store.reader.downsample({ seriesIds: [1], fromMicros: 0, toMicros: 1e9, goodOnly: false, maxPoints: 10 }),
    (error) => isDroverError(error, 'queryTimedOut'),
  )
})

test('writers of different partitions do not know what the other wrote, and nothing is lost or repeated', async (context) => {
  const [one, two] = [
    await openPostgresStore({ url, schema: 'both', maintenance: 'asked' }),
    await openPostgresStore({ url, schema: 'both', maintenance: 'asked' }),
  ]
  context.after(() => Promise.all([one.close(), two.close()]))
  await writeSample(one, { series: sampleSeries(2), points: [[1, 10, 1, 1]] })
  await writeSample(two, {
    points: [
      [1, 20, 2, 3],
      [2, 20, 2, 3],
    ],
  })
  await writeSample(one, {
    points: [
      [1, 20, 9, 2],
      [1, 30, 3, 4],
    ],
  })
  assert.deepEqual(await raw(one, [1, 2]), [
    [1, 10, 1, 0],
    [1, 20, 2, 0],
    [1, 30, 3, 0],
    [2, 20, 2, 0],
  ])
  await two.writer.deleteDevice(100)
  await writeSample(one, { points: [[1, 40, 4, 5]] })
  assert.deepEqual(await raw(one, [1]), [])
})

test('wrong credentials are told apart from a server that is away', async () => {
  const wrong = new URL(url)
  wrong.password = 'wrong'
  await assert.rejects(openPostgresStore({ url: wrong.href }), (error) =>
    isDroverError(error, 'badConfiguration'),
  )
})

test('closing does not wait for what is being summed up', async () => {
  const store = await openPostgresStore({ url, schema: 'closing', maintenance: 'asked' })
  const points = Array.from({ length: 100_000 }, (_, at) => [1, at * 1_000_000, at, 1] as const)
  await writeSample(store, { series: sampleSeries(1), points })
  const tidying = store.tidy()
  await store.close()
  await assert.rejects(tidying, (error) => isUnavailable(error) || isDroverError(error, 'shuttingDown'))
  const again = await openPostgresStore({ url, schema: 'closing', maintenance: 'asked' })
  await again.tidy()
  const day = { everyMicros: 86_400_000_000, functions: ['count'], group: 'all', limit: 9 } as const
  const range = { seriesIds: [1], fromMicros: 0, toMicros: 4e15, goodOnly: false }
  const found = await again.reader.buckets({ ...range, ...day })
  assert.deepEqual([...found.columns.count!], [86_400, 13_600])
  await again.close()
})
