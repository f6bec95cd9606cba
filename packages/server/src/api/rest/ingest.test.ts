import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { DroverError, type ErrorCode, limits } from '@drover/protocol'
import { type ApiFixture, adminKey, bearer, createApiFixture } from '../testing/api-fixture.ts'

let fixture: ApiFixture
let token = ''
before(async () => {
  fixture = await createApiFixture()
  token = (await fixture.addDevice('sender')).token
})
after(() => fixture.close())

const json = { 'content-type': 'application/json' }
const last = () => fixture.appended.at(-1)!

function send(body: string | Buffer, headers: Record<string, string> = {}) {
  const all = { ...bearer(token), ...json, ...headers }
  return fixture.app.inject({ method: 'POST', url: '/api/v1/ingest/telemetry', payload: body, headers: all })
}

async function refused(code: ErrorCode, body: string | Buffer, headers: Record<string, string> = {}) {
  const before = fixture.appended.length
  const answer = await send(body, headers)
  assert.equal(answer.json().error.code, code, answer.body)
  assert.equal(fixture.appended.length, before, 'nothing was appended')
  return answer
}

describe('telemetry over HTTP', () => {
  it('is appended as it came, for the device whose token it is', async () => {
    const body = '{"temperature": 21.4 }'
    const answer = await send(body)
    assert.equal(answer.statusCode, 202)
    assert.deepEqual(answer.json(), { accepted: true })
    const { device, record } = last()
    assert.equal(device.deviceId, 'sender')
    assert.equal(Buffer.from(record.payload).toString(), body)
    assert.deepEqual([record.contentType, record.idempotencyKey], [1, undefined])
    assert.equal(fixture.presence.seenDevices.at(-1), 'sender')
  })

  it('is told apart by its content type', async () => {
    const types = {
      'application/json; charset=utf-8': 1,
      'Application/SenML+JSON': 2,
      'application/senml+cbor': 3,
      'application/cbor': 4,
      'application/octet-stream': 0,
    }
    for (const [type, code] of Object.entries(types)) {
      assert.equal((await send('[]', { 'content-type': type })).statusCode, 202, type)
      assert.equal(last().record.contentType, code)
    }
    const answer = await refused('unsupportedMediaType', 'a=1', {
      'content-type': 'application/x-www-form-urlencoded',
    })
    assert.match(answer.json().error.message, /application\/senml\+cbor/)
    await refused('unsupportedMediaType', '[]', { 'content-encoding': 'gzip' })
  })

  it('carries its idempotency key to the queue', async () => {
    await send('{}', { 'idempotency-key': 'once' })
    assert.equal(last().record.idempotencyKey, 'once')
    await refused('badRequest', '{}', { 'idempotency-key': 'k'.repeat(limits.idempotencyKeyBytesMax + 1) })
  })

  it('that does not parse is kept for quarantine, and says so', async () => {
    for (const body of ['{"t":', 'NaN', '{"t":NaN}', '{"t":Infinity}', '\u0000', "{'t':1}"]) {
      const before = fixture.appended.length
      const answer = await send(body)
      assert.equal(answer.statusCode, 400)
      assert.match(answer.json().error.message, /payloadNotJson.*kept in quarantine/)
      assert.equal(fixture.appended.length, before + 1, body)
    }
  })

  it('of any shape that parses is left to processing', async () => {
    for (const body of ['{"t":1e999}', '"text"', `${'['.repeat(10_000)}${']'.repeat(10_000)}`, '{"t":"21"}'])
      assert.equal((await send(body)).statusCode, 202)
  })

  it('is refused when it is empty or too large', async () => {
    await refused('badRequest', '')
    const answer = await refused('payloadTooLarge', Buffer.alloc(limits.messageBytesMax + 1, 0x20))
    assert.equal(answer.statusCode, 413)
    assert.deepEqual(answer.json().error.details, { limit: limits.messageBytesMax })
    assert.equal((await send(`${' '.repeat(limits.messageBytesMax - 2)}{}`)).statusCode, 202)
  })

  it('is refused without the token of an active device', async () => {
    const { token: revoked } = await fixture.addDevice('revoked')
    const { items } = await fixture.api.ok('GET', '/devices/revoked/tokens')
    await fixture.api.ok('DELETE', `/devices/revoked/tokens/${items[0].keyId}`, undefined, 204)
    const { token: suspended } = await fixture.addDevice('suspended', { state: 'suspended' })
    assert.equal((await refused('unauthenticated', '{}', { authorization: '' })).statusCode, 401)
    await refused('unauthenticated', '{}', { authorization: 'Basic eDp5' })
    await refused('badCredentials', '{}', bearer('nonsense'))
    await refused('badCredentials', '{}', bearer(`${token.slice(0, -1)}${token.endsWith('x') ? 'y' : 'x'}`))
    await refused('badCredentials', '{}', bearer(revoked))
    assert.equal((await refused('forbidden', '{}', bearer(suspended))).statusCode, 403)
    assert.equal((await refused('forbidden', '{}', bearer(adminKey))).statusCode, 403)
  })

  it('is not acknowledged when the queue does not take it', async () => {
    const append = () => Promise.reject(new DroverError('queueFull', { limit: 10 }))
    const full = await createApiFixture({ ingest: { append } })
    const { token } = await full.addDevice('sender')
    const headers = { ...bearer(token), ...json }
    for (const payload of ['{}', '{']) {
      const answer = await full.app.inject({
        method: 'POST',
        url: '/api/v1/ingest/telemetry',
        payload,
        headers,
      })
      assert.equal(answer.statusCode, 503)
      assert.deepEqual([answer.json().error.code, answer.json().error.retryable], ['queueFull', true])
    }
    assert.deepEqual(full.presence.seenDevices, [])
    await full.close()
  })

  it("takes the path that ThingsBoard's devices use", async () => {
    const post = (token: string, payload: string) =>
      fixture.app.inject({ method: 'POST', url: `/api/v1/${token}/telemetry`, payload, headers: json })
    const answer = await post(token, '{"t":1}')
    assert.equal(answer.statusCode, 200)
    assert.equal(last().device.deviceId, 'sender')
    assert.equal((await post('nonsense', '{}')).json().error.code, 'badCredentials')
    assert.equal((await post(token, '{')).statusCode, 400)
  })
})
