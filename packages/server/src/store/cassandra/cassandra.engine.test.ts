import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { startCassandra } from '../../../../../tests/support/services/cassandra.ts'
import { freePort } from '../../../../../tests/support/services/service.ts'
import { eventually } from '../../../../../tests/support/wait.ts'
import { openCassandraStore } from '../cassandra.ts'
import { sampleBatch, sampleSeries, writeSample } from '../sample.ts'
import type { Store } from '../store.ts'
import { Session } from './session.ts'
import { parseCassandraUrl } from './url.ts'

const server = await startCassandra()
after(() => server[Symbol.asyncDispose]())

const day = 86_400
const points = (store: Store, seriesIds: readonly number[]) =>
  store.reader.points({
    ...{ seriesIds, fromMicros: 0, toMicros: 4e15, goodOnly: false, kind: 'numbers', limit: 1_000 },
  })

test('points end with their retention, and those that come late not before a day', async (context) => {
  const url = `${server.url}/ends`
  const nowSeconds = 1_800_000_000
  const store = await openCassandraStore({ url, retentionDays: 30, clock: () => nowSeconds * 1000 })
  context.after(() => store.close())
  const times = [nowSeconds, nowSeconds - 10 * day, nowSeconds - 100 * day]
  await writeSample(store, {
    series: sampleSeries(1),
    points: times.map((time, at) => [1, time * 1e6, at, 1]),
  })
  const session = await Session.open(parseCassandraUrl(url), 'ends')
  context.after(() => session.close())
  const rows = await session.rows<{ left: number }>('SELECT ttl(quality) AS left FROM numbers', [])
  const days = rows.map(({ left }) => Math.ceil(left / day)).sort((a, b) => b - a)
  assert.deepEqual(days, [30, 20, 1])
})

test('two processors that begin a series at once agree on it', async (context) => {
  const url = `${server.url}/agree`
  const stores = [await openCassandraStore({ url }), await openCassandraStore({ url })] as const
  context.after(() => Promise.all(stores.map((store) => store.close())))
  const ids = await Promise.all(stores.map((store) => store.writer.reserveSeriesIds(100)))
  assert.notEqual(ids[0]!.first, ids[1]!.first)
  await Promise.all(
    stores.map((store, at) => {
      const id = ids[at]!.first
      const series = [{ ...sampleSeries(1)[0]!, id }]
      return store.writer.write(
        sampleBatch({ series, points: [[id, 10 + at, at, at + 1]] }, undefined, at + 1),
      )
    }),
  )
  for (const store of stores) {
    const found = await store.reader.series([100])
    assert.equal(found.length, 1)
    assert.deepEqual([...(await points(store, [found[0]!.id])).value], [0, 1])
    assert.equal((await store.reader.latest([100]))[0]?.latest?.value, 1)
  }
})

test('it is said what is wrong with the address', async () => {
  await assert.rejects(
    openCassandraStore({ url: `${server.url}/drover?datacenter=nowhere` }),
    (error) => isDroverError(error, 'badConfiguration') && error.message.includes('nowhere'),
  )
  await assert.rejects(
    openCassandraStore({ url: `cassandra://127.0.0.1:${await freePort()}/drover` }),
    (error) => isDroverError(error, 'storeUnavailable'),
  )
})

test('a server that stands still ends queries in time; killed and started again, it has what it acknowledged', async (context) => {
  const store = await openCassandraStore({ url: `${server.url}/still`, queryTimeoutMs: 1_000 })
  context.after(() => store.close())
  await writeSample(store, { series: sampleSeries(1), points: [[1, 1, 1, 1]] })
  server.pause()
  const began = performance.now()
  const queries = Array.from({ length: 40 }, () => points(store, [1]))
  const timedOut = (error: unknown) => isDroverError(error, 'queryTimedOut')
  await Promise.all(queries.map((query) => assert.rejects(query, timedOut)))
  assert.ok(performance.now() - began < 5_000, 'those that waited for their turn waited no longer')
  server.resume()
  await writeSample(store, { points: [[1, 2, 2, 2]] })
  await server.kill()
  await assert.rejects(store.writer.write(sampleBatch({ points: [[1, 3, 3, 3]] }, 2, 3)), (error) =>
    isDroverError(error, 'storeUnavailable'),
  )
  await server.restart()
  const answers = () =>
    points(store, [1]).then(
      () => true,
      () => false,
    )
  await eventually(answers, { deadlineMs: 30_000 })
  assert.deepEqual([...(await points(store, [1])).value], [1, 2])
  await writeSample(store, { points: [[1, 3, 3, 3]] })
  assert.deepEqual([...(await points(store, [1])).value], [1, 2, 3])
})
