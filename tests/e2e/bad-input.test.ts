/** Every bad input gets one clear error, over the real front door, and leaves everybody else alone. */
import assert from 'node:assert/strict'
import { connect as connectTcp } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { type ErrorBody, limits, type QuarantineReason } from '@drover/protocol'
import { connectAsync, type IClientOptions, type IDisconnectPacket } from 'mqtt'
import { storedPoints } from '../support/expectation.ts'
import { openPublisher, type Publisher } from '../support/publisher.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { eventually } from '../support/wait.ts'

let server: TestServer
let token: string
let good: Publisher
let goodSent = 0
const device = 'bad'

/** A device that behaves well sends all the while; each test ends with a message of its being acknowledged. */
async function goodIsUnaffected(): Promise<void> {
  goodSent++
  good.wake()
  await good.drained()
}

before(async () => {
  server = await startServer()
  await server.client.profiles.create({
    id: 'room',
    metrics: { temperature: { type: 'number', min: -40, max: 85 } },
  })
  token = (await server.client.devices.create({ id: device, profile: 'room' })).token
  const created = await server.client.devices.create({ id: 'good' })
  good = await openPublisher({
    url: server.mqtt,
    device: 'good',
    token: created.token,
    window: 10,
    next: (sequence) =>
      sequence < goodSent ? Buffer.from(`{"ts":${1e12 + sequence},"values":{"n":1}}`) : undefined,
  })
})
after(() => server?.remove())

interface Answer {
  readonly status: number
  readonly code: string
  readonly message: string
}

async function post(
  payload: string | Buffer,
  contentType = 'application/json',
  key = token,
): Promise<Answer> {
  const headers: Record<string, string> = { 'content-type': contentType }
  if (key) headers.authorization = `Bearer ${key}`
  const body = new Uint8Array(Buffer.from(payload))
  return answerOf(await fetch(`${server.http}/api/v1/ingest/telemetry`, { method: 'POST', headers, body }))
}

async function answerOf(response: Response): Promise<Answer> {
  const { error } = (await response.json()) as Partial<ErrorBody>
  return { status: response.status, code: error?.code ?? '', message: error?.message ?? '' }
}

const connectMqtt = (options: IClientOptions = {}) =>
  connectAsync(server.mqtt, {
    ...{ username: device, password: token, protocolVersion: 5, reconnectPeriod: 0 },
    ...options,
  })

async function publish(payload: string | Buffer): Promise<void> {
  const client = await connectMqtt()
  await client.publishAsync('me/telemetry', payload, { qos: 1 })
  await client.endAsync()
}

/** The entries of quarantine that came since the call before. */
let seen = new Set<string>()
async function quarantined(reason: QuarantineReason): Promise<string> {
  return eventually(async () => {
    const { items } = await server.client.quarantine.list({ device })
    const fresh = items.filter(({ id }) => !seen.has(id))
    if (fresh.length === 0) return undefined
    seen = new Set(items.map(({ id }) => id))
    assert.deepEqual([...new Set(fresh.map((entry) => entry.reason))], [reason])
    return fresh[0]!.message
  })
}

describe('credentials', () => {
  const flipped = (secret: string) => secret.slice(0, -1) + (secret.endsWith('A') ? 'B' : 'A')

  test('a missing token', async () => {
    assert.deepEqual((await post('{"t":1}', 'application/json', '')).code, 'unauthenticated')
    await assert.rejects(connectMqtt({ username: undefined, password: undefined }), { code: 0x86 })
    await goodIsUnaffected()
  })

  test('a wrong token', async () => {
    const { status, code } = await post('{"t":1}', 'application/json', flipped(token))
    assert.deepEqual({ status, code }, { status: 401, code: 'badCredentials' })
    await assert.rejects(connectMqtt({ password: flipped(token) }), { code: 0x86 })
    await assert.rejects(connectMqtt({ protocolVersion: 4, password: flipped(token) }), { code: 4 })
    await goodIsUnaffected()
  })

  test('a revoked token', async () => {
    const { token: revoked, keyId } = await server.client.devices.createToken(device)
    await server.client.devices.revokeToken(device, keyId)
    assert.equal((await post('{"t":1}', 'application/json', revoked)).code, 'badCredentials')
    await assert.rejects(connectMqtt({ password: revoked }), { code: 0x86 })
    await goodIsUnaffected()
  })

  test("another device's token", async () => {
    await assert.rejects(connectMqtt({ username: 'good' }), { code: 0x86 })
    await goodIsUnaffected()
  })
})

describe('packets', () => {
  test('a malformed one closes its connection only', async () => {
    for (const bytes of ['ffffffffffffffff', '10ffffffffff', '00', '30', '1000']) {
      const socket = connectTcp({ host: '127.0.0.1', port: Number(new URL(server.mqtt).port) })
      socket.on('error', () => undefined)
      socket.end(Buffer.from(bytes, 'hex'))
      await text(socket).catch(() => '')
    }
    await goodIsUnaffected()
  })

  test('a malformed one after CONNECT is answered with the reason', async () => {
    const client = await connectMqtt()
    const { promise, resolve } = Promise.withResolvers<IDisconnectPacket>()
    client.on('disconnect', resolve)
    client.on('error', () => undefined)
    // PUBLISH with both QoS bits set.
    client.stream.write(Buffer.from('360500016100007b', 'hex'))
    assert.equal((await promise).reasonCode, 0x81)
    client.end(true)
    await goodIsUnaffected()
  })

  test('a message over the limit', async () => {
    const large = Buffer.from(`{"text":"${'x'.repeat(limits.messageBytesMax)}"}`)
    const { status, code } = await post(large)
    assert.deepEqual({ status, code }, { status: 413, code: 'payloadTooLarge' })
    const client = await connectMqtt()
    client.on('error', () => undefined)
    // 0x95 is no reason code of PUBACK; this one is.
    await assert.rejects(client.publishAsync('me/telemetry', large, { qos: 1 }), { code: 0x97 })
    client.end(true)
    await goodIsUnaffected()
  })

  test('a packet over the limit', async () => {
    const client = await connectMqtt({ protocolVersion: 4 })
    client.on('error', () => undefined)
    const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
    client.stream.write(Buffer.from('32ffffff7f', 'hex'))
    await closed
    await goodIsUnaffected()
  })
})

describe('payloads', () => {
  const nested = (depth: number) => `${'[1,'.repeat(depth)}1${']'.repeat(depth)}`
  const million = () => {
    let text = '{"a0":1'
    for (let index = 1; text.length < limits.messageBytesMax - 20; index++) text += `,"a${index}":1`
    return `${text}}`
  }
  const cases: readonly (readonly [string, string | Buffer, QuarantineReason])[] = [
    ['not JSON', 'temperature=20', 'payloadNotJson'],
    ['half of a message', '{"temperature":2', 'payloadNotJson'],
    ['bytes that are no text', Buffer.from('7f00fe80c3', 'hex'), 'payloadNotJson'],
    ['half of a CBOR map', Buffer.from('bf6174', 'hex'), 'payloadNotCbor'],
    ['NaN', '{"temperature":NaN}', 'payloadNotJson'],
    ['Infinity', '{"temperature":-Infinity}', 'payloadNotJson'],
    ['1e999', '{"temperature":1e999}', 'notFinite'],
    ['a number nested 10,000 deep', `{"t":${nested(10_000)}}`, 'payloadTooDeep'],
    ['as many metrics as fit into a message', million(), 'payloadTooManyValues'],
    ['a string where a number belongs', '{"temperature":"20.5"}', 'typeMismatch'],
    ['an object where a number belongs', '{"temperature":{"value":20}}', 'typeMismatch'],
    ['what no thermometer measures', '{"temperature":-273}', 'outOfRange'],
    ['the year 1970', '{"ts":1000,"values":{"temperature":20}}', 'timeTooOld'],
    ['the year 2100', '{"ts":4102444800000,"values":{"temperature":20}}', 'timeInFuture'],
    ['a time that is none', '{"ts":"yesterday","values":{"temperature":20}}', 'timeInvalid'],
    ['a number alone', '42', 'payloadShape'],
  ]
  for (const [name, payload, reason] of cases)
    test(`${name}: ${reason}`, async () => {
      await publish(payload)
      assert.notEqual(await quarantined(reason), '')
      const { status, code, message } = await post(
        payload,
        reason === 'payloadNotCbor' ? 'application/cbor' : undefined,
      )
      if (reason === 'payloadNotJson') {
        assert.deepEqual({ status, code }, { status: 400, code: 'badRequest' })
        assert.match(message, /payloadNotJson/)
      } else assert.equal(status, 202)
      await quarantined(reason)
      await goodIsUnaffected()
    })

  test('a million metrics, a thousand at a time: the device has as many as it may have', async () => {
    const { token: key } = await server.client.devices.create({ id: 'million' })
    for (let message = 0; message < 10; message++) {
      const values = Array.from({ length: 1000 }, (_, index) => [`m${message * 1000 + index}`, 1])
      await post(JSON.stringify(Object.fromEntries(values)), 'application/json', key)
    }
    await eventually(async () => {
      const { items, dropped } = await server.client.quarantine.list({
        device: 'million',
        reason: 'metricLimit',
        limit: limits.pageItemsMax,
      })
      return items.length + dropped > 0
    })
    const { metrics } = await server.client.devices.latest('million')
    assert.equal(Object.keys(metrics).length, limits.metricsPerDeviceMax)
    await goodIsUnaffected()
  })

  test('nothing of all that reached the points', async () => {
    assert.deepEqual(await storedPoints(server.client, device, 'temperature'), [])
  })
})

describe('requests', () => {
  for (const id of ['a/b', 'a#b', 'a\0b', '..', 'me', '', ' a', '+', '-a', 'ü', 'a'.repeat(129)])
    test(`a device called ${JSON.stringify(id.slice(0, 20))}`, async () => {
      const response = await fetch(`${server.http}/api/v1/devices`, {
        method: 'POST',
        headers: { authorization: `Bearer ${server.adminKey}`, 'content-type': 'application/json' },
        body: JSON.stringify({ id }),
      })
      const { status, code, message } = await answerOf(response)
      assert.deepEqual({ status, code }, { status: 400, code: 'badIdentifier' })
      assert.match(message, /not a valid identifier/)
      // As a part of a path it is not found, or not valid; it never reaches another device or a file.
      const path = `${server.http}/api/v1/devices/${encodeURIComponent(id || ' ')}/latest`
      const read = await fetch(path, { headers: { authorization: `Bearer ${server.adminKey}` } })
      assert.ok([400, 404].includes(read.status), `${read.status}`)
      await assert.rejects(connectMqtt({ username: id.replaceAll('\0', '') || ' ' }), { code: 0x86 })
      await goodIsUnaffected()
    })

  test('100 years at one second', async () => {
    const query = {
      metric: 'temperature',
      from: '1926-01-01T00:00:00Z',
      to: '2026-01-01T00:00:00Z',
      every: '1s',
    }
    await assert.rejects(server.client.devices.telemetry(device, query), { code: 'queryTooLarge' })
    await goodIsUnaffected()
  })

  test('a body that is not JSON', async () => {
    const response = await fetch(`${server.http}/api/v1/devices`, {
      method: 'POST',
      headers: { authorization: `Bearer ${server.adminKey}`, 'content-type': 'application/json' },
      body: '{"id":',
    })
    const { status, code } = await answerOf(response)
    assert.deepEqual({ status, code }, { status: 400, code: 'badRequest' })
    await goodIsUnaffected()
  })
})

test('afterwards the server is well, and all that the other device sent is there', async () => {
  assert.equal((await fetch(`${server.http}/readyz`)).status, 200)
  await eventually(async () => {
    assert.equal((await storedPoints(server.client, 'good', 'n')).length, goodSent)
    return true
  })
  await good.end()
  assert.equal(await server.stop(), 0)
})
