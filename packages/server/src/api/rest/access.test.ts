import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { type ErrorCode, limits } from '@drover/protocol'
import { type ApiFixture, adminKey, bearer, createApiFixture } from '../testing/api-fixture.ts'

let fixture: ApiFixture
let token = ''
before(async () => {
  fixture = await createApiFixture()
  token = (await fixture.addDevice('device')).token
})
after(() => fixture.close())

const guarded = [
  ['GET', '/devices'],
  ['POST', '/devices'],
  ['GET', '/devices/device'],
  ['PATCH', '/devices/device'],
  ['DELETE', '/devices/device'],
  ['GET', '/devices/device/connection'],
  ['GET', '/devices/device/latest'],
  ['GET', '/devices/device/telemetry?metric=t'],
  ['GET', '/devices/device/tokens'],
  ['POST', '/devices/device/tokens'],
  ['DELETE', '/devices/device/tokens/k'],
  ['GET', '/profiles'],
  ['POST', '/profiles'],
  ['GET', '/profiles/default'],
  ['PATCH', '/profiles/default'],
  ['DELETE', '/profiles/default'],
  ['POST', '/imports/devices'],
  ['POST', '/telemetry/query'],
  ['POST', '/telemetry/latest'],
  ['GET', '/quarantine'],
  ['GET', '/quarantine/1'],
  ['GET', '/live'],
  ['GET', '/session'],
  ['DELETE', '/session'],
  ['GET', '/audit'],
  ['GET', '/server'],
  ['POST', '/backups'],
] as const

describe('who may do what', () => {
  it('is nobody without the right key, on any route', async () => {
    const cases: [ErrorCode, Record<string, string>][] = [
      ['unauthenticated', {}],
      ['unauthenticated', { authorization: 'Basic YTpi' }],
      ['unauthenticated', { authorization: 'Bearer' }],
      ['badCredentials', bearer(`${adminKey}x`)],
      ['badCredentials', bearer(`dt_${'x'.repeat(16)}_${'y'.repeat(43)}`)],
      ['forbidden', bearer(token)],
    ]
    for (const [method, path] of guarded)
      for (const [code, headers] of cases) await fixture.api.fails(code, method, path, undefined, headers)
  })

  it('covers every route of the document but those that say they are open', async () => {
    const { paths } = (await fixture.app.inject('/openapi.json')).json()
    const open = new Set(['POST /session', 'POST /ingest/telemetry', 'POST /{token}/telemetry'])
    const covered = new Set(guarded.map(([method, path]) => `${method} ${path.split('?')[0]}`))
    for (const [path, methods] of Object.entries(paths as Record<string, object>))
      for (const method of Object.keys(methods)) {
        if (!path.startsWith('/api/v1')) continue
        const route = `${method.toUpperCase()} ${path.slice('/api/v1'.length)}`
        const example = route.replace(
          '/{id}',
          route.includes('/quarantine') ? '/1' : route.includes('/profiles') ? '/default' : '/device',
        )
        assert.ok(open.has(route) || covered.has(example.replace('{keyId}', 'k')), route)
      }
  })

  it('says how to sign in', async () => {
    const answer = await fixture.app.inject('/api/v1/devices')
    assert.equal(answer.statusCode, 401)
    assert.match(String(answer.headers['www-authenticate']), /^Bearer/)
  })
})

describe('console sessions over REST', () => {
  const origin = { 'sec-fetch-site': 'same-origin' }
  const signIn = (key = adminKey, url = '/api/v1/session') =>
    fixture.app.inject({ method: 'POST', url, payload: { key } })

  async function cookie(): Promise<{ cookie: string }> {
    const [set] = (await signIn()).cookies
    return { cookie: `${set!.name}=${set!.value}` }
  }
  afterEach(() => {
    fixture.time.nowMicros += 60_000_000
  })

  it('are opened with the key, by a cookie that scripts cannot read', async () => {
    const answer = await signIn()
    assert.equal(answer.statusCode, 200)
    assert.equal(Date.parse(answer.json().expiresAt) * 1000, fixture.time.nowMicros + 12 * 3_600e6)
    const header = String(answer.headers['set-cookie'])
    assert.match(
      header,
      /^drover-[0-9a-f]{8}=[0-9A-Za-z]{43}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/,
    )
    const headers = await cookie()
    assert.equal((await fixture.api.call('GET', '/devices', undefined, headers)).statusCode, 200)
    const session = await fixture.api.call('GET', '/session', undefined, headers)
    assert.equal(session.statusCode, 200, session.body)
  })

  it('end when they are told to, and after twelve hours', async () => {
    const headers = await cookie()
    const answer = await fixture.api.call('DELETE', '/session', undefined, { ...headers, ...origin })
    assert.equal(answer.statusCode, 204)
    assert.match(String(answer.headers['set-cookie']), /Max-Age=0|Expires=Thu, 01 Jan 1970/)
    await fixture.api.fails('badCredentials', 'GET', '/devices', undefined, headers)
    const another = await cookie()
    fixture.time.nowMicros += 12 * 3_600e6
    await fixture.api.fails('badCredentials', 'GET', '/devices', undefined, another)
  })

  it('write only at the hand of their own page', async () => {
    const headers = await cookie()
    const post = (more: Record<string, string>) =>
      fixture.api.call('POST', '/devices/device/tokens', undefined, { ...headers, ...more })
    assert.equal((await post({})).statusCode, 403)
    assert.equal((await post({ 'sec-fetch-site': 'cross-site', 'x-requested-with': 'x' })).statusCode, 403)
    assert.equal((await post({ 'sec-fetch-site': 'same-site' })).statusCode, 403)
    assert.equal((await post({ 'content-type': 'text/plain' })).statusCode, 403)
    assert.equal((await post(origin)).statusCode, 201)
    assert.equal((await post({ 'x-requested-with': 'drover' })).statusCode, 201)
    const json = await fixture.api.call(
      'PATCH',
      '/devices/device',
      { name: 'n' },
      { ...headers, 'content-type': 'application/json' },
    )
    assert.equal(json.statusCode, 200)
  })

  it('use a secure cookie of their own over TLS, also behind a proxy that is trusted', async () => {
    const behind = await createApiFixture({ trustedProxies: ['127.0.0.1'] })
    const forwarded = { 'x-forwarded-proto': 'https', 'x-forwarded-for': '192.0.2.7' }
    const request = {
      method: 'POST',
      url: '/api/v1/session',
      payload: { key: adminKey },
      headers: forwarded,
    } as const
    const secure = await behind.app.inject(request)
    assert.match(
      String(secure.headers['set-cookie']),
      /^drover-secure-[0-9a-f]{8}=.*; HttpOnly; Secure; SameSite=Strict$/,
    )
    const { items } = await behind.api.ok('GET', '/audit')
    assert.equal(items[0].address, '192.0.2.7')
    const untrusted = await fixture.app.inject(request)
    assert.doesNotMatch(String(untrusted.headers['set-cookie']), /Secure/)
    await behind.close()
  })

  it('cannot be had by trying: the address has to wait', async () => {
    for (let n = 0; n < limits.failedSignInsPerMinuteMax; n++)
      assert.equal((await signIn('wrong')).json().error.code, 'badCredentials')
    const answer = await signIn()
    assert.equal(answer.statusCode, 429)
    assert.equal(answer.json().error.code, 'tooManyAttempts')
    assert.ok(Number(answer.headers['retry-after']) > 0)
  })
})

describe('the audit log over REST', () => {
  it('holds every change and every refusal, without a secret', async () => {
    const { api } = fixture
    await fixture.context.refusals.flush()
    const created = await fixture.addDevice('audited')
    await api.ok('PATCH', '/devices/audited', { name: 'x' })
    const issued = await api.ok('POST', '/devices/audited/tokens', undefined, 201)
    await api.ok('DELETE', `/devices/audited/tokens/${issued.keyId}`, undefined, 204)
    await api.ok('DELETE', '/devices/audited', undefined, 204)
    await api.ok('POST', '/profiles', { id: 'audited' }, 201)
    await api.ok('DELETE', '/profiles/audited', undefined, 204)
    await api.fails('badCredentials', 'DELETE', '/devices/device', undefined, bearer('wrong-key'))
    const { items } = await api.ok('GET', '/audit?limit=8')
    assert.deepEqual(
      items
        .map(({ action, subject }: { action: string; subject: string }) => `${action} ${subject}`)
        .reverse(),
      [
        'device.create audited',
        'device.update audited',
        'token.create audited',
        'token.revoke audited',
        'device.delete audited',
        'profile.create audited',
        'profile.delete audited',
        'access.refused /api/v1/devices/:id',
      ],
    )
    assert.equal(items[0].actor, 'unknown')
    assert.deepEqual([items[1].actor, items[1].address], ['admin-key', '127.0.0.1'])
    const text = JSON.stringify(await api.ok('GET', '/audit?limit=1000'))
    for (const secret of [adminKey, 'wrong-key', issued.token.slice(-43), created.token.slice(-43)])
      assert.ok(!text.includes(secret))
  })

  it('comes page by page', async () => {
    const { api } = fixture
    const first = await api.ok('GET', '/audit?limit=2')
    const second = await api.ok('GET', `/audit?limit=2&cursor=${first.nextCursor}`)
    const ids = [...first.items, ...second.items].map(({ id }) => Number(id))
    assert.deepEqual(
      ids,
      ids.toSorted((a, b) => b - a),
    )
    await api.fails('badCursor', 'GET', '/audit?cursor=x')
  })
})
