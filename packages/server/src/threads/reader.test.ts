import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import type { Series, SeriesState, StoreReader } from '../store/store.ts'
import { connectReader, serveReader } from './reader.ts'

const base: Series = { id: 1, tenant: 1, deviceUid: 1, metric: 'a', type: 'number', unit: null }
const states: SeriesState[] = [
  { ...base, latest: { timeMicros: 0, value: -0.5, quality: 0 } },
  { ...base, id: 2, metric: 'b', unit: 'Cel', latest: { timeMicros: 2 ** 52 + 1, value: 1e300, quality: 1 } },
  { ...base, id: 3, metric: 'empty', latest: undefined },
  { ...base, id: 4, metric: 'c', type: 'string', latest: { timeMicros: 5, value: '', quality: 0 } },
  // The same metric of another device in another unit, and as another type.
  { ...base, id: 5, deviceUid: 2 ** 40, unit: 'Cel', latest: { timeMicros: 6, value: 0, quality: 0 } },
  {
    ...base,
    id: 6,
    tenant: 2,
    deviceUid: 7,
    type: 'boolean',
    latest: { timeMicros: 7, value: 'true', quality: 1 },
  },
  { ...base, id: 2 ** 31 - 1, deviceUid: 8, latest: { timeMicros: 8, value: 9, quality: 0 } },
]
const series = states.map(({ latest, ...one }) => one)

/** The reader of a thread that answers with these series and columns. */
function open(t: TestContext, answers: Partial<StoreReader>): StoreReader {
  const { port1, port2 } = new MessageChannel()
  t.after(() => port1.close())
  serveReader(port2, answers as StoreReader)
  return connectReader(port1, {})
}

describe('the reader between threads', () => {
  it('gives series and their latest points as the store does', async (t) => {
    const asked: unknown[] = []
    const reader = open(t, {
      series: async (...args) => {
        asked.push(args)
        return series
      },
      latest: async (uids) => states.filter(({ deviceUid }) => uids.includes(deviceUid)),
    })
    assert.deepEqual(await reader.series([1, 2], ['a']), series)
    assert.deepEqual(asked, [[[1, 2], ['a']]])
    assert.deepEqual(await reader.latest(states.map(({ deviceUid }) => deviceUid)), states)
    assert.deepEqual(await reader.latest([]), [])
  })

  it('leaves the store its own columns', async (t) => {
    const columns = {
      series: Int32Array.of(1, 1),
      timeMicros: new Float64Array([1, 2, 3]).subarray(1),
      value: Float64Array.of(3, 4),
      text: [],
      quality: Uint8Array.of(0, 1),
    }
    const reader = open(t, { points: async () => columns })
    const query = { seriesIds: [1], fromMicros: 0, toMicros: 9, goodOnly: false, limit: 9 }
    for (let turn = 0; turn < 2; turn++)
      assert.deepEqual(await reader.points({ ...query, kind: 'numbers' }), columns)
  })
})
