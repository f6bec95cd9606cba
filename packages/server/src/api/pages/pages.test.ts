import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { Validator } from '@seriousme/openapi-schema-validator'
import type { InjectOptions } from 'fastify'
import { createMetrics } from '../metrics.ts'
import { type ApiFixture, adminKey, bearer, createApiFixture } from '../testing/api-fixture.ts'

let fixture: ApiFixture
before(async () => {
  const metrics = createMetrics([
    { name: 'drover_test', help: 'A test.', type: 'gauge', collect: () => 4.5 },
    {
      name: 'drover_test_total',
      help: 'A test.',
      type: 'counter',
      labelNames: ['reason'],
      collect: async () => [{ labels: { reason: 'a' }, value: 7 }],
    },
  ])
  fixture = await createApiFixture({ metrics, authorityCertificate: () => 'PEM' })
})
after(() => fixture.close())

describe('the OpenAPI document', () => {
  it('is valid OpenAPI 3.1', async () => {
    const document = (await fixture.app.inject('/openapi.json')).json()
    assert.match(document.openapi, /^3\.1\./)
    const { valid, errors } = await new Validator().validate(document)
    assert.ok(valid, JSON.stringify(errors))
  })

  it('says of every route what it does, answers and how it fails', async () => {
    const { paths, components } = (await fixture.app.inject('/openapi.json')).json()
    const operations = Object.entries(
      paths as Record<string, Record<string, Record<string, object>>>,
    ).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    )
    assert.ok(operations.length > 25)
    for (const { path, method, operation } of operations) {
      assert.ok(operation.summary, `${method} ${path} has no summary`)
      if (!path.startsWith('/api/')) continue
      const isStream = path === '/api/v1/live'
      assert.ok(isStream || 'default' in operation.responses!, `${method} ${path} says nothing of errors`)
    }
    const bodies = (path: string) => Object.keys(paths[`/api/v1${path}`].post.requestBody.content)
    assert.ok(bodies('/ingest/telemetry').includes('application/senml+cbor'))
    assert.ok(bodies('/imports/devices').includes('text/csv'))
    assert.ok('text/event-stream' in paths['/api/v1/live'].get.responses['200'].content)
    assert.ok(components.schemas.Device && components.schemas.Error)
    const { schema } = paths['/api/v1/devices/{id}'].get.responses['200'].content['application/json']
    assert.equal(schema.$ref, '#/components/schemas/Device')
    const inputs = paths['/api/v1/devices/{id}/telemetry'].get.parameters.map(
      ({ name }: { name: string }) => name,
    )
    assert.deepEqual(inputs.toSorted(), [
      'cursor',
      'every',
      'fn',
      'from',
      'id',
      'limit',
      'maxPoints',
      'metric',
      'order',
      'quality',
      'to',
    ])
  })

  it('is readable at /docs, with nothing from anywhere else', async () => {
    assert.equal((await fixture.app.inject('/docs')).headers.location, '/docs/')
    const page = await fixture.app.inject('/docs/')
    assert.equal(page.statusCode, 200)
    const sources = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source!)
    assert.deepEqual(sources, ['js/scalar.js'])
    assert.ok(!page.body.includes('https://'))
    const script = await fixture.app.inject('/docs/js/scalar.js')
    assert.equal(script.statusCode, 200)
    assert.match(String(page.headers['content-security-policy']), /connect-src 'self'/)
  })
})

describe('what machines ask', () => {
  it('is whether it lives and works', async () => {
    assert.deepEqual((await fixture.app.inject('/healthz')).json(), { status: 'ok' })
    const ready = await fixture.app.inject('/readyz')
    assert.deepEqual(ready.json(), { ready: true, checks: [{ name: 'store', ready: true }] })
    const checks = [{ name: 'queue', ready: false, reason: 'full' }]
    const other = await createApiFixture({ readiness: async () => checks })
    const answer = await other.app.inject('/readyz')
    assert.deepEqual([answer.statusCode, answer.json()], [503, { ready: false, checks }])
    await other.close()
  })

  it('is how it fares', async () => {
    await fixture.api.ok('GET', '/devices')
    const { body, headers } = await fixture.app.inject('/metrics')
    assert.match(String(headers['content-type']), /^text\/plain/)
    assert.match(body, /^drover_test 4\.5$/m)
    assert.match(body, /^drover_test_total\{reason="a"\} 7$/m)
    assert.match(
      body,
      /drover_http_request_duration_seconds_count\{method="GET",route="\/api\/v1\/devices",status="200"\} 1/,
    )
    assert.match(body, /^process_resident_memory_bytes /m)
    assert.match(body, /^drover_main_thread_busy_seconds_total [\d.]+$/m)
    assert.doesNotMatch(body, /^nodejs_eventloop_lag_(mean|p99)/m)
    const elsewhere = { url: '/metrics', remoteAddress: '192.0.2.1' }
    assert.equal((await fixture.app.inject(elsewhere)).statusCode, 401)
    const handedOn = { url: '/metrics', headers: { 'x-forwarded-for': '192.0.2.1' } }
    assert.equal((await fixture.app.inject(handedOn)).statusCode, 401)
    assert.equal((await fixture.app.inject({ ...elsewhere, headers: bearer('x') })).statusCode, 401)
    assert.equal((await fixture.app.inject({ ...elsewhere, headers: bearer(adminKey) })).statusCode, 200)
  })

  it('is whom to trust', async () => {
    const answer = await fixture.app.inject('/ca.pem')
    assert.deepEqual([answer.body, answer.headers['content-type']], ['PEM', 'application/x-pem-file'])
    const other = await createApiFixture()
    assert.equal((await other.app.inject('/ca.pem')).statusCode, 404)
    await other.close()
  })

  it('is where it is, and for a backup', async () => {
    const { api } = fixture
    assert.equal((await api.ok('GET', '/server')).host, 'test.local')
    assert.equal((await api.ok('POST', '/backups', { directory: '/b' }, 201)).directory, '/b')
    await api.fails('badRequest', 'POST', '/backups', { directory: 'b' })
  })
})

describe('large answers', () => {
  const headers = { 'accept-encoding': 'gzip, br' }
  const encodingOf = async (request: InjectOptions) =>
    (await fixture.app.inject(request)).headers['content-encoding']

  it('are compressed for those who take it', async () => {
    const elsewhere = { headers, remoteAddress: '192.0.2.1' }
    const large = await fixture.app.inject({ url: '/openapi.json', ...elsewhere })
    assert.equal(large.headers['content-encoding'], 'gzip')
    assert.equal(JSON.parse(gunzipSync(large.rawPayload).toString()).info.title, 'Drover')
    assert.equal(await encodingOf({ url: '/healthz', ...elsewhere }), undefined)
    assert.equal(await encodingOf({ url: '/openapi.json', remoteAddress: '192.0.2.1' }), undefined)
  })

  it('are sent as they are within this machine, unless a proxy on it hands them on', async () => {
    assert.equal(await encodingOf({ url: '/openapi.json', headers }), undefined)
    const handedOn = { ...headers, 'x-forwarded-for': '192.0.2.1' }
    assert.equal(await encodingOf({ url: '/openapi.json', headers: handedOn }), 'gzip')
  })
})

describe('the console', () => {
  let directory = ''
  let console: ApiFixture
  const html = { accept: 'text/html,*/*' }
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'drover-console-'))
    await mkdir(join(directory, 'assets'))
    await writeFile(
      join(directory, 'index.html'),
      '<title>Console</title><script>1</script><script src="/a"></script>',
    )
    await writeFile(join(directory, 'assets', 'main-1.js'), 'main')
    console = await createApiFixture({ consoleDirectory: directory })
  })
  after(async () => {
    await console.close()
    await rm(directory, { recursive: true })
  })

  it('is served at the root, and at every address of its pages', async () => {
    for (const url of ['/', '/devices/one', '/quarantine?device=a']) {
      const answer = await console.app.inject({ url, headers: html })
      assert.equal(answer.statusCode, 200, url)
      assert.match(answer.body, /Console/)
      assert.match(String(answer.headers['content-type']), /^text\/html/)
    }
    const asset = await console.app.inject('/assets/main-1.js')
    assert.match(String(asset.headers['cache-control']), /immutable/)
    assert.equal((await console.app.inject({ url: '/', headers: html })).headers['cache-control'], 'no-cache')
  })

  it('does not hide what is missing', async () => {
    for (const url of ['/api/v1/nothing', '/assets/gone.js', '/docs/nothing']) {
      const answer = await console.app.inject({ url, headers: html })
      assert.equal(answer.statusCode, 404, url)
      assert.equal(answer.json().error.code, 'notFound')
    }
    assert.equal((await console.app.inject('/nothing')).statusCode, 404)
    assert.equal((await console.app.inject({ method: 'PUT', url: '/api/v1/devices' })).statusCode, 405)
    assert.equal(
      (await console.app.inject({ url: '/..%2f..%2fetc/passwd', headers: html })).body.includes('root:'),
      false,
    )
  })

  it('may load and run only what comes with it', async () => {
    const { headers } = await console.app.inject({ url: '/', headers: html })
    const policy = String(headers['content-security-policy'])
    assert.match(policy, /script-src 'self' 'sha256-[A-Za-z0-9+/=]{44}';/)
    assert.match(policy, /frame-ancestors 'none'/)
    assert.equal(headers['x-content-type-options'], 'nosniff')
    assert.equal((await console.api.call('GET', '/devices')).headers['cache-control'], 'no-store')
  })

  it('that is not built says how to build it', async () => {
    const { body, statusCode } = await fixture.app.inject('/')
    assert.equal(statusCode, 200)
    assert.match(body, /npm run build/)
  })
})
