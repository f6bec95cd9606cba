import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { DroverError, limits } from '@drover/protocol'
import { type ApiListener, listenApi } from './listen.ts'
import { type ApiFixture, adminKey, bearer, createApiFixture } from './testing/api-fixture.ts'

let fixture: ApiFixture
let listener: ApiListener
before(async () => {
  fixture = await createApiFixture()
  listener = await listenApi(fixture.app, { host: '127.0.0.1', port: 0 })
})
after(async () => {
  await listener.close()
  await fixture.close()
})

/** The whole answer to bytes that no client would send. */
function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(listener.port, listener.host, () => socket.write(text))
    let answer = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(answer))
  })
}
const codeOf = (answer: string) => JSON.parse(answer.slice(answer.indexOf('{'))).error.code
const json = { ...bearer(adminKey), 'content-type': 'application/json' }

describe('errors over HTTP', () => {
  it('have one form, also where there is no route', async () => {
    const answer = await fixture.app.inject('/api/v1/nothing')
    assert.equal(answer.statusCode, 404)
    assert.deepEqual(answer.json(), {
      error: {
        code: 'notFound',
        message: 'There is no page /api/v1/nothing.',
        details: { kind: 'page', id: '/api/v1/nothing' },
        retryable: false,
      },
    })
    for (const path of ['/nothing', '/api/v1', '/api/v2/devices', '/api/v1/devices/a/b'])
      assert.equal((await fixture.app.inject(path)).json().error.code, 'notFound', path)
  })

  it('name the methods that are possible', async () => {
    const answer = await fixture.app.inject({ method: 'PUT', url: '/api/v1/devices/x?y=1' })
    assert.equal(answer.statusCode, 405)
    assert.equal(answer.json().error.code, 'methodNotAllowed')
    assert.equal(answer.headers.allow, 'DELETE, GET, HEAD, PATCH')
    const root = await fixture.app.inject({ method: 'DELETE', url: '/healthz' })
    assert.equal(root.statusCode, 405)
  })

  it('are clear for bodies that are not JSON', async () => {
    const { api } = fixture
    const post = (body: string, headers: Record<string, string> = json) =>
      fixture.app.inject({ method: 'POST', url: '/api/v1/devices', payload: body, headers })
    for (const body of ['{"id":', 'NaN', '', '\u0000', "{'id':'x'}"]) {
      const answer = await post(body)
      assert.deepEqual([answer.statusCode, answer.json().error.code], [400, 'badRequest'], body)
    }
    const deep = `{"id":"x","tags":${'['.repeat(10_000)}${']'.repeat(10_000)}}`
    assert.equal((await post(deep)).json().error.code, 'badRequest')
    assert.equal((await post('{"__proto__":{"x":1},"id":"y"}')).statusCode, 400)
    assert.equal((await post('id: x', { ...json, 'content-type': 'text/yaml' })).statusCode, 415)
    const large = await post(JSON.stringify({ id: 'x', name: 'n'.repeat(limits.requestBytesMax) }))
    assert.deepEqual([large.statusCode, large.json().error.code], [413, 'payloadTooLarge'])
    await api.fails('notFound', 'GET', '/devices/x')
  })

  it('are clear for requests that are hardly HTTP', async () => {
    assert.equal(codeOf(await raw('nonsense\r\n\r\n')), 'badRequest')
    const head = `HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${adminKey}\r\nconnection: close\r\n\r\n`
    assert.equal(codeOf(await raw(`GET /api/v1/devices/%zz ${head}`)), 'badRequest')
    assert.equal(codeOf(await raw(`GET /api/v1/devices/%2e%2e ${head}`)), 'badIdentifier')
    assert.equal(codeOf(await raw(`GET /api/v1/devices/.. ${head}`)), 'badIdentifier')
    assert.equal(codeOf(await raw(`GET /api/v1/devices/%00 ${head}`)), 'badIdentifier')
    assert.match(await raw(`GET /../../etc/passwd ${head}`), /^HTTP\/1\.1 404/)
    assert.match(
      await raw(`GET /healthz HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`),
      /^HTTP\/1\.1 4/,
    )
  })

  it('of the store keep their code; what was not foreseen says nothing about the inside', async () => {
    const { store } = fixture
    const late = {
      ...store.reader,
      latest: () => Promise.reject(new DroverError('queryTimedOut', { limitMs: 5 })),
    }
    const broken = { ...late, series: () => Promise.reject(new Error('secret inside')) }
    const other = await createApiFixture({ reader: broken })
    await other.addDevice('one')
    assert.equal((await other.api.fails('queryTimedOut', 'GET', '/devices/one/latest')).status, 503)
    const { message, status } = await other.api.fails('internal', 'GET', '/devices/one/telemetry?metric=t')
    assert.equal(status, 500)
    assert.ok(!message.includes('secret'))
    await other.close()
  })
})
