import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { limits } from '@drover/protocol'
import { type ApiFixture, adminKey, bearer, createApiFixture } from '../testing/api-fixture.ts'

let fixture: ApiFixture
before(async () => {
  fixture = await createApiFixture()
})
after(() => fixture.close())

const csv = { ...bearer(adminKey), 'content-type': 'text/csv; charset=utf-8' }
const jsonLines = { ...bearer(adminKey), 'content-type': 'application/jsonl' }

async function importRows(body: string, headers: Record<string, string> = csv) {
  const answer = await fixture.api.call('POST', '/imports/devices', body, headers)
  assert.equal(answer.statusCode, 200, answer.body)
  return answer.json()
}

describe('imports of devices', () => {
  it('take CSV with any of the columns', async () => {
    const { api, context } = fixture
    const body = [
      '\uFEFFid,name,tags,latitude,longitude,elevation,parent,state',
      'c-1,"Hall, north",roof; old,52.5,13.4,34,,',
      '',
      'c-2,,,,,,c-1,suspended',
    ].join('\r\n')
    const result = await importRows(body)
    assert.deepEqual([result.created, result.failed], [2, []])
    const { name, tags, location } = await api.ok('GET', '/devices/c-1')
    assert.deepEqual(
      [name, tags, location],
      ['Hall, north', ['old', 'roof'], { latitude: 52.5, longitude: 13.4, elevation: 34 }],
    )
    const second = await api.ok('GET', '/devices/c-2')
    assert.deepEqual([second.parent, second.state], ['c-1', 'suspended'])
    const { token } = result.devices[0]
    assert.equal((await context.deviceAccess.authenticate({ deviceId: 'c-1', token })).deviceId, 'c-1')
  })

  it('take JSON lines, children before their parents', async () => {
    const lines = ['{"id":"j-1","parent":"j-2","tags":["x"]}', '', '{"id":"j-2"}', '{"id":']
    const result = await importRows(lines.join('\n'), jsonLines)
    assert.equal(result.created, 2)
    assert.deepEqual(
      result.devices.map(({ id }: { id: string }) => id),
      ['j-1', 'j-2'],
    )
    assert.deepEqual(
      result.failed.map(({ row, code }: { row: number; code: string }) => [row, code]),
      [[3, 'badRequest']],
    )
    assert.equal((await fixture.api.ok('GET', '/devices/j-1')).parent, 'j-2')
  })

  it('report the bad rows and create the good ones', async () => {
    await fixture.addDevice('taken')
    const rows = [
      'id,profile,latitude,longitude,parent',
      'good-1,,,,',
      'a b,,,,',
      'taken,,,,',
      'unknown-profile,none,,,',
      'good-1,,,,',
      'far,,91,0,',
      'half,,1,,',
      'orphan,,,,none',
      'long,,,,,,',
      'good-2,default,1,2,good-1',
    ]
    const result = await importRows(rows.join('\n'))
    assert.deepEqual(
      result.devices.map(({ id }: { id: string }) => id),
      ['good-1', 'good-2'],
    )
    assert.deepEqual(
      result.failed.map(({ row, id, code }: { row: number; id: string; code: string }) => [row, id, code]),
      [
        [2, 'a b', 'badIdentifier'],
        [3, 'taken', 'alreadyExists'],
        [4, 'unknown-profile', 'notFound'],
        [5, 'good-1', 'badRequest'],
        [6, 'far', 'badRequest'],
        [7, 'half', 'badRequest'],
        [8, 'orphan', 'notFound'],
        [9, null, 'badRequest'],
      ],
    )
    assert.match(result.failed[4].message, /location\.latitude/)
  })

  it('create nothing when the file cannot be read', async () => {
    const { api } = fixture
    const fails = (body: string, headers = csv) =>
      api.fails('badRequest', 'POST', '/imports/devices', body, headers)
    assert.match((await fails('name\nx')).message, /no column id/)
    assert.match((await fails('id,colour\nx,red')).message, /unknown column "colour"/)
    assert.match((await fails('id\nfine\n"open')).message, /CSV cannot be read/)
    await api.fails('notFound', 'GET', '/devices/fine')
    const json = { ...csv, 'content-type': 'application/json' }
    assert.equal(
      (await api.fails('unsupportedMediaType', 'POST', '/imports/devices', '[]', json)).status,
      415,
    )
    assert.equal((await importRows('id')).created, 0)
  })

  it('are limited in rows', async () => {
    const rows = `id\n${'x\n'.repeat(limits.importRowsMax + 1)}`
    await fixture.api.fails('queryTooLarge', 'POST', '/imports/devices', rows, csv)
  })

  it('take 10,000 at once', async () => {
    const rows = Array.from({ length: 10_000 }, (_, n) => `many-${n},t`)
    const startedAt = performance.now()
    const result = await importRows(`id,tags\n${rows.join('\n')}`)
    const elapsedMs = performance.now() - startedAt
    assert.equal(result.created, 10_000)
    assert.deepEqual(result.failed, [])
    assert.equal(result.devices[9_999].id, 'many-9999')
    assert.equal(new Set(result.devices.map(({ token }: { token: string }) => token)).size, 10_000)
    assert.ok(elapsedMs < 10_000, `${elapsedMs} ms`)
  })
})
