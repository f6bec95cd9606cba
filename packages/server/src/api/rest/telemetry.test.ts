import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type ApiFixture, createApiFixture } from '../testing/api-fixture.ts'

const start = Date.UTC(2026, 0, 1) * 1000
const minute = 60_000_000
let fixture: ApiFixture
let uid = 0

before(async () => {
  fixture = await createApiFixture()
  uid = (await fixture.addDevice('one', { tags: ['all'] })).uid
  const temperatures = Array.from({ length: 120 }, (_, n) => ({
    at: start + n * minute,
    value: n,
    suspect: n % 10 === 9,
  }))
  await fixture.addSeries(uid, 'temperature', { unit: 'Cel', values: temperatures })
  await fixture.addSeries(uid, 'wind', { type: 'string', values: [{ at: start, value: 'N"W' }] })
  await fixture.addSeries(uid, 'open', { type: 'boolean', values: [{ at: start, value: 'true' }] })
  await fixture.addSeries(uid, 'state', { type: 'json', values: [{ at: start, value: '{"a":[1,null]}' }] })
  const two = await fixture.addDevice('two', { tags: ['all'] })
  await fixture.addSeries(two.uid, 'temperature', { unit: 'Cel', values: [{ at: start + 1, value: -0.5 }] })
})
after(() => fixture.close())

const read = (query: string) => fixture.api.ok('GET', `/devices/one/telemetry?${query}`)
const values = (page: { points: { value: number }[] }) => page.points.map(({ value }) => value)

describe('raw points over REST', () => {
  it('come in time order, with quality and unit', async () => {
    const page = await read('metric=temperature')
    assert.equal(page.points.length, 120)
    assert.deepEqual(
      [page.device, page.metric, page.unit, page.nextCursor],
      ['one', 'temperature', 'Cel', null],
    )
    assert.deepEqual(page.points[0], { time: '2026-01-01T00:00:00.000Z', value: 0, quality: 'good' })
    assert.deepEqual(page.points[9], { time: '2026-01-01T00:09:00.000Z', value: 9, quality: 'suspect' })
  })

  it('come from `from` (included) to `to` (excluded), in any form of time', async () => {
    const from = (start + 10 * minute) / 1000
    assert.deepEqual(values(await read(`metric=temperature&from=${from}&to=${from + 120_000}`)), [10, 11])
    const offset = encodeURIComponent('2026-01-01T08:10:00+08:00')
    assert.deepEqual(values(await read(`metric=temperature&from=${offset}&limit=1`)), [10])
    assert.deepEqual(values(await read('metric=temperature&to=2026-01-01T00:01:00Z')), [0])
  })

  it('come page by page, in both orders', async () => {
    for (const order of ['asc', 'desc']) {
      const seen: number[] = []
      let cursor = ''
      for (;;) {
        const page = await read(`metric=temperature&limit=50&order=${order}${cursor}`)
        seen.push(...values(page))
        if (page.nextCursor === null) break
        cursor = `&cursor=${page.nextCursor}`
      }
      const all = Array.from({ length: 120 }, (_, n) => n)
      assert.deepEqual(seen, order === 'asc' ? all : all.reverse())
    }
  })

  it('can be the good ones only', async () => {
    const page = await read('metric=temperature&quality=good')
    assert.equal(page.points.length, 108)
    assert.ok(page.points.every((point: { quality: string }) => point.quality === 'good'))
  })

  it('keep the type of their values', async () => {
    assert.deepEqual(values(await read('metric=wind')), ['N"W'])
    assert.deepEqual(values(await read('metric=open')), [true])
    assert.deepEqual(values(await read('metric=state')), [{ a: [1, null] }])
  })

  it('are none for a metric that the device never sent', async () => {
    const page = await read('metric=humidity&every=1h')
    assert.deepEqual([page.points, page.unit, page.nextCursor], [[], null, null])
    await fixture.api.fails('notFound', 'GET', '/devices/none/telemetry?metric=temperature')
  })

  it('are downsampled so that the peaks survive', async () => {
    const page = await read('metric=temperature&maxPoints=10')
    assert.ok(page.points.length <= 10)
    assert.ok(values(page).includes(0) && values(page).includes(119))
    assert.deepEqual(values(await read('metric=wind&maxPoints=10')), ['N"W'])
  })
})

describe('buckets over REST', () => {
  it('are aligned to the epoch, with the functions that were asked for', async () => {
    const page = await read('metric=temperature&every=1h&fn=avg,min,max,count,sum,first,last')
    assert.deepEqual(page.points[1], {
      time: '2026-01-01T01:00:00.000Z',
      avg: 89.5,
      min: 60,
      max: 119,
      count: 60,
      sum: 5370,
      first: 60,
      last: 119,
      good: 54,
      suspect: 6,
    })
    const from = '2026-01-01T00:30:00Z'
    const cut = await read(`metric=temperature&every=3600&from=${from}`)
    assert.deepEqual(cut.points[0], {
      time: '2026-01-01T00:00:00.000Z',
      avg: 44.5,
      min: 30,
      max: 59,
      count: 30,
      good: 27,
      suspect: 3,
    })
  })

  it('leave suspect values out when good ones are asked for, and count both', async () => {
    const page = await read('metric=temperature&every=10m&fn=max,count&fn=count&quality=good&limit=1')
    assert.deepEqual(page.points, [
      { time: '2026-01-01T00:00:00.000Z', max: 8, count: 9, good: 9, suspect: 1 },
    ])
  })

  it('come page by page', async () => {
    const first = await read('metric=temperature&every=10m&limit=7')
    const second = await read(`metric=temperature&every=10m&limit=7&cursor=${first.nextCursor}`)
    const times = [...first.points, ...second.points].map(({ time }) => time)
    assert.equal(times.length, 12)
    assert.equal(new Set(times).size, 12)
    assert.equal(second.nextCursor, null)
  })

  it('are widened until they are no more than maxPoints', async () => {
    const page = await read('metric=temperature&every=1m&maxPoints=25&fn=count')
    assert.equal(page.points.length, 24)
    assert.ok(page.points.every(({ count }: { count: number }) => count === 5))
  })

  it('are refused when they would be too many, whatever the device holds', async () => {
    const { api } = fixture
    const century = 'from=1926-01-01T00:00:00Z&to=2026-01-01T00:00:00Z&every=1s'
    for (const metric of ['temperature', 'none']) {
      const path = `/devices/one/telemetry?metric=${metric}&${century}`
      const { status, message } = await api.fails('queryTooLarge', 'GET', path)
      assert.equal(status, 400)
      assert.match(message, /20000 buckets/)
    }
    await read(`metric=temperature&${century}&maxPoints=1000`)
    await read('metric=temperature&every=1s')
  })
})

describe('wrong questions over REST', () => {
  it('are answered with what is wrong', async () => {
    const { api } = fixture
    const fails = (query: string) => api.fails('badRequest', 'GET', `/devices/one/telemetry?${query}`)
    assert.match((await fails('')).message, /query metric: /)
    assert.match((await fails('metric=t&from=yesterday')).message, /from is not a time/)
    assert.match((await fails('metric=t&from=2&to=2')).message, /from has to be before to/)
    assert.match((await fails('metric=t&every=fast')).message, /query every: must be an interval/)
    assert.match((await fails('metric=t&every=0s')).message, /every is not an interval|every: /)
    assert.match((await fails('metric=temperature&every=1h&fn=median')).message, /query fn/)
    assert.match((await fails('metric=temperature&fn=avg')).message, /fn needs every/)
    assert.match((await fails('metric=wind&every=1h')).message, /wind is of type string/)
    await fails('metric=t&quality=bad')
    await fails('metric=t&maxPoints=1')
    await fails('metric=t&limit=100001')
    await fails('metrics=t')
  })

  it('do not take the cursors of others', async () => {
    const { api } = fixture
    const { nextCursor } = await read('metric=temperature&limit=1')
    const path = (query: string) => `/devices/one/telemetry?${query}&cursor=${nextCursor}`
    await api.fails('badCursor', 'GET', path('metric=wind'))
    await api.fails('badCursor', 'GET', path('metric=temperature&order=desc'))
    await api.fails('badCursor', 'GET', path('metric=temperature&maxPoints=5'))
    await api.fails('badCursor', 'GET', '/devices/one/telemetry?metric=temperature&cursor=bm9uZQ')
  })
})

describe('queries over several devices', () => {
  const query = (body: object) => fixture.api.ok('POST', '/telemetry/query', body)

  it('answer by device and metric, in the order asked', async () => {
    const { series } = await query({ devices: ['two', 'one'], metrics: ['wind', 'temperature', 'none'] })
    assert.deepEqual(
      series.map((one: { device: string; metric: string; points: unknown[] }) => [
        one.device,
        one.metric,
        one.points.length,
      ]),
      [
        ['one', 'wind', 1],
        ['one', 'temperature', 120],
        ['two', 'temperature', 1],
      ],
    )
    assert.deepEqual(series[2].points, [
      { time: '2026-01-01T00:00:00.000001Z', value: -0.5, quality: 'good' },
    ])
  })

  it('fold all devices into one', async () => {
    const body = { tag: 'all', metrics: ['temperature'], every: '1d', fn: ['min', 'max', 'count'] }
    const folded = await query({ ...body, group: 'all' })
    const time = '2026-01-01T00:00:00.000Z'
    assert.deepEqual(folded.series, [
      {
        device: null,
        metric: 'temperature',
        unit: 'Cel',
        points: [{ time, min: -0.5, max: 119, count: 121, good: 109, suspect: 12 }],
      },
    ])
    const apart = await query(body)
    assert.equal(apart.series.length, 2)
  })

  it('downsample each device', async () => {
    const { series } = await query({ profile: 'default', metrics: ['temperature'], maxPoints: 4 })
    assert.equal(series.length, 2)
    assert.ok(series[0].points.length <= 4)
  })

  it('are refused when they ask for nothing, for too much, or for what is not there', async () => {
    const { api } = fixture
    const fails = (code: 'badRequest' | 'notFound' | 'queryTooLarge' | 'badIdentifier', body: object) =>
      api.fails(code, 'POST', '/telemetry/query', { metrics: ['temperature'], ...body })
    await fails('badRequest', {})
    await fails('badRequest', { tag: 'all', metrics: [] })
    await fails('badRequest', { tag: 'all', group: 'all' })
    await fails('badRequest', { tag: 'all', fn: ['avg'] })
    await fails('badRequest', { tag: 'all', metrics: ['wind'], every: '1h' })
    await fails('notFound', { devices: ['one', 'none'] })
    await fails('badIdentifier', { devices: ['one', '#'] })
    await fails('queryTooLarge', { tag: 'all', every: '1s', from: 0, to: '2026-01-01T00:00:00Z' })
    assert.deepEqual(await query({ devices: [], metrics: ['temperature'] }), { series: [] })
    assert.deepEqual(await query({ tag: 'none', metrics: ['temperature'] }), { series: [] })
  })
})

describe('latest values over REST', () => {
  it('are the newest of each metric', async () => {
    const { metrics } = await fixture.api.ok('GET', '/devices/one/latest')
    assert.deepEqual(Object.keys(metrics), ['open', 'state', 'temperature', 'wind'])
    assert.deepEqual(metrics.temperature, {
      time: '2026-01-01T01:59:00.000Z',
      value: 119,
      quality: 'suspect',
      type: 'number',
      unit: 'Cel',
    })
    assert.equal(metrics.open.value, true)
    assert.deepEqual(metrics.state.value, { a: [1, null] })
    await fixture.api.fails('notFound', 'GET', '/devices/none/latest')
  })

  it('come for many devices at once', async () => {
    const body = { tag: 'all', metrics: ['temperature'] }
    const { items } = await fixture.api.ok('POST', '/telemetry/latest', body)
    assert.deepEqual(
      items.map((item: { device: string; metrics: object }) => [item.device, Object.keys(item.metrics)]),
      [
        ['one', ['temperature']],
        ['two', ['temperature']],
      ],
    )
    await fixture.api.fails('badRequest', 'POST', '/telemetry/latest', {})
  })

  it('are of the device that has the id now, not of one that had it before', async () => {
    const { api } = fixture
    const body = { devices: ['again', 'again'] }
    const latest = async () => (await api.ok('POST', '/telemetry/latest', body)).items
    const first = await fixture.addDevice('again')
    await fixture.addSeries(first.uid, 't', { values: [{ at: start, value: 1 }] })
    assert.equal((await latest())[0].metrics.t.value, 1)
    await api.ok('DELETE', '/devices/again', undefined, 204)
    await api.fails('notFound', 'POST', '/telemetry/latest', body)
    const second = await fixture.addDevice('again')
    assert.deepEqual(await latest(), [{ device: 'again', metrics: {} }])
    await fixture.addSeries(second.uid, 't', { values: [{ at: start, value: 2 }] })
    assert.equal((await latest())[0].metrics.t.value, 2)
    await api.ok('PATCH', '/devices/again', { tags: ['all'] })
    assert.equal((await api.ok('POST', '/telemetry/latest', { tag: 'all' })).items.length, 3)
    await api.ok('DELETE', '/devices/again', undefined, 204)
    assert.equal((await api.ok('POST', '/telemetry/latest', { tag: 'all' })).items.length, 2)
  })
})

describe('quarantine over REST', () => {
  before(async () => {
    const cbor = Buffer.from('bf6174f97c00ff', 'hex')
    await fixture.quarantine([
      { deviceUid: uid },
      {
        deviceUid: uid,
        reason: 'payloadNotJson',
        metric: null,
        payload: Buffer.from('{"t":'),
        payloadBytes: 99,
      },
      { deviceUid: uid, reason: 'notFinite', contentType: 4, payload: cbor, payloadBytes: cbor.length },
      { deviceUid: 999_999, reason: 'deviceUnknown' },
    ])
    await fixture.dropped(uid, 3)
  })

  it('lists the newest first, page by page, with what was dropped', async () => {
    const { api } = fixture
    const first = await api.ok('GET', '/quarantine?device=one&limit=2')
    const second = await api.ok('GET', `/quarantine?device=one&limit=2&cursor=${first.nextCursor}`)
    const reasons = [...first.items, ...second.items].map(({ reason }) => reason)
    assert.deepEqual(reasons, ['notFinite', 'payloadNotJson', 'outOfRange'])
    assert.equal(first.dropped, 3)
    assert.deepEqual(second.items[0], {
      id: second.items[0].id,
      device: 'one',
      reason: 'outOfRange',
      message: '-273 is below -40',
      metric: 't',
      receivedAt: '2026-11-22T00:00:00.000Z',
      contentType: 'application/json',
      payloadBytes: 10,
      preview: '{"t":-273}',
    })
    assert.equal(first.items[0].preview, 'bf6174f97c00ff')
  })

  it('is filtered by reason, and knows of devices that are gone', async () => {
    const { api } = fixture
    const { items } = await api.ok('GET', '/quarantine?reason=deviceUnknown')
    assert.deepEqual(
      items.map(({ device }: { device: string }) => device),
      ['#999999'],
    )
    await api.fails('badRequest', 'GET', '/quarantine?reason=none')
    await api.fails('notFound', 'GET', '/quarantine?device=none')
    await api.fails('badCursor', 'GET', '/quarantine?cursor=x')
  })

  it('shows one entry with its payload', async () => {
    const { api } = fixture
    const [, item] = (await api.ok('GET', '/quarantine?device=one')).items
    const entry = await api.ok('GET', `/quarantine/${item.id}`)
    assert.equal(Buffer.from(entry.payload, 'base64').toString(), '{"t":')
    assert.equal(entry.truncated, true)
    for (const id of ['999999', 'x', '-1', '1e3']) await api.fails('notFound', 'GET', `/quarantine/${id}`)
  })
})
