import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { limits, type ProfileInput, type QuarantineReason, quarantineReasons } from '@drover/protocol'
import { contentTypes } from '../queue/batch.ts'
import { bytesOf, startMicros, TestBench, type TestMessage } from './test-kit.ts'

const profile: Partial<ProfileInput> = {
  metrics: {
    temperature: { min: -40, max: 85 },
    count: { type: 'integer' },
    note: { type: 'string' },
  },
}

/** Messages of which the last gives this reason, and the metric that it names. */
const cases: Partial<
  Record<
    QuarantineReason,
    { messages: TestMessage[]; metric: string | null; profile?: Partial<ProfileInput> }
  >
> = {
  payloadNotJson: { messages: [{ payload: '{"temperature":' }], metric: null },
  payloadNotCbor: { messages: [{ payload: Buffer.from('a161', 'hex') }], metric: null },
  payloadNotSenml: {
    messages: [{ payload: '{"temperature":1}', contentType: contentTypes.senmlJson }],
    metric: null,
  },
  payloadShape: { messages: [{ payload: '"hello"' }], metric: null },
  payloadTooDeep: { messages: [{ payload: `${'['.repeat(10_000)}${']'.repeat(10_000)}` }], metric: null },
  payloadTooManyValues: {
    messages: [
      {
        payload: Object.fromEntries(
          Array.from({ length: limits.valuesPerMessageMax + 1 }, (_, n) => [`m${n}`, 1]),
        ),
      },
    ],
    metric: null,
  },
  metricName: { messages: [{ payload: { 'a\u0000b': 1 } }], metric: null },
  metricUnknown: {
    messages: [{ payload: { speed: 1 } }],
    metric: 'speed',
    profile: { ...profile, unknownMetrics: 'quarantine' },
  },
  metricLimit: {
    messages: [
      {
        payload: Object.fromEntries(
          Array.from({ length: limits.metricsPerDeviceMax }, (_, n) => [`m${n}`, 1]),
        ),
      },
      { payload: { another: 1, m5: 2 } },
    ],
    metric: 'another',
  },
  typeMismatch: { messages: [{ payload: { temperature: '21.4', note: 'kept' } }], metric: 'temperature' },
  notFinite: { messages: [{ payload: '{"temperature":1e999}' }], metric: 'temperature' },
  stringTooLong: {
    messages: [{ payload: { note: 'x'.repeat(limits.stringValueBytesMax + 1) } }],
    metric: 'note',
  },
  outOfRange: { messages: [{ payload: { temperature: -273, count: 5 } }], metric: 'temperature' },
  timeInvalid: { messages: [{ payload: { ts: 'yesterday', values: { temperature: 20 } } }], metric: null },
  timeTooOld: { messages: [{ payload: { ts: 0, values: { temperature: 20 } } }], metric: null },
  timeInFuture: {
    messages: [{ payload: { ts: '2100-01-01T00:00:00Z', values: { temperature: 20 } } }],
    metric: null,
  },
}

describe('quarantine', () => {
  for (const [reason, { messages, metric, profile: own }] of Object.entries(cases))
    it(`keeps what is refused for ${reason}, with the payload and the time`, async () => {
      await using bench = await TestBench.open({ profile: own ?? profile })
      await bench.send(...messages)
      const rows = await bench.quarantine()
      assert.equal(rows.length, 1)
      const [row] = rows
      const payload = messages.at(-1)!.payload
      const bytes = Buffer.from(bytesOf(payload))
      assert.equal(row!.reason, reason)
      assert.equal(row!.metric, metric)
      assert.equal(row!.receivedAtMicros, startMicros + messages.length - 1)
      assert.equal(row!.payloadBytes, bytes.length)
      assert.deepEqual(Buffer.from(row!.payload), bytes.subarray(0, limits.quarantinePayloadBytesMax))
      assert.notEqual(row!.message, '')
      assert.deepEqual(bench.processing.metrics.quarantined, { [reason]: 1 })
    })

  it('has a case here for every reason, but for a device that is gone', () => {
    assert.deepEqual(
      Object.keys({ ...cases, deviceUnknown: 0 }).sort(),
      Object.keys(quarantineReasons).sort(),
    )
  })

  it('takes one bad metric, and the rest of the message is stored', async () => {
    await using bench = await TestBench.open({ profile })
    await bench.send({ payload: { temperature: -273, count: 5, note: 'x', free: true } })
    assert.deepEqual(Object.keys(await bench.contents()).sort(), ['count', 'free', 'note'])
    const [row] = await bench.quarantine()
    assert.equal(row!.message, '-273 is below the minimum of -40')
  })

  it('does not begin a series with a bad value', async () => {
    await using bench = await TestBench.open({ profile })
    await bench.send({ payload: '{"temperature":900,"other":1e999}' })
    assert.deepEqual(await bench.store.reader.series([1]), [])
  })

  it('holds no entry of a device that does not exist, or of another tenant', async () => {
    await using bench = await TestBench.open({ profile })
    bench.registry.gone.add(2)
    await bench.send(
      { payload: { a: 1 }, device: 2 },
      { payload: { a: 1 }, tenant: 7 },
      { payload: '', device: 2 },
    )
    assert.deepEqual(await bench.quarantine(), [])
    assert.deepEqual(await bench.contents(1, 2), {})
    assert.deepEqual(bench.processing.metrics.quarantined, { deviceUnknown: 3 })
  })

  it('is capped for each device, and counts what it drops', async () => {
    await using bench = await TestBench.open({ profile })
    const bad = (device: number, count: number) =>
      Array.from({ length: count }, () => ({ payload: 'garbage', device }))
    await bench.send(...bad(1, limits.quarantinePerDeviceMax - 1), ...bad(2, 3))
    await bench.stop()
    await bench.start()
    await bench.send(...bad(1, 5), ...bad(2, 1), { payload: { temperature: 20 } })
    assert.equal((await bench.quarantine(1)).length, limits.quarantinePerDeviceMax)
    assert.equal((await bench.quarantine(2)).length, 4)
    assert.equal(await bench.store.reader.quarantineDropped([1]), 4)
    assert.equal(await bench.store.reader.quarantineDropped([2]), 0)
    assert.equal(bench.processing.metrics.quarantineDropped, 4)
    assert.equal((await bench.contents()).temperature!.length, 1)
  })

  it('is capped for each message', async () => {
    await using bench = await TestBench.open({ profile })
    const values = Object.fromEntries(Array.from({ length: 150 }, (_, n) => [`m${n}`, null]))
    await bench.send({ payload: values }, { payload: 'garbage' })
    assert.equal((await bench.quarantine()).length, limits.quarantinePerMessageMax + 1)
    assert.equal(await bench.store.reader.quarantineDropped([1]), 50)
  })
})

describe('the type of a metric that no profile lists', () => {
  it('is that of its first value, also after a restart', async () => {
    await using bench = await TestBench.open()
    await bench.send({ payload: { a: 1, b: 'x', c: true, d: [1], e: { latitude: 1, longitude: 2 } } })
    await bench.stop()
    await bench.start()
    await bench.send(
      { payload: { a: 'x', b: 1, c: 'true', d: { x: 1 }, e: [1] } },
      { payload: { a: 1.5, c: false } },
    )
    const contents = await bench.contents()
    assert.deepEqual(
      contents.a!.map(([, value]) => value),
      [1, 1.5],
    )
    assert.deepEqual(
      contents.c!.map(([, value]) => value),
      [true, false],
    )
    assert.deepEqual(
      contents.d!.map(([, value]) => value),
      [[1], { x: 1 }],
    )
    const rows = await bench.quarantine()
    assert.deepEqual(
      rows.map(({ reason, metric }) => `${reason} ${metric}`).sort(),
      ['a', 'b', 'c', 'e'].map((name) => `typeMismatch ${name}`),
    )
  })
})
