import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type ApiFixture, createApiFixture } from '../testing/api-fixture.ts'

let fixture: ApiFixture
before(async () => {
  fixture = await createApiFixture()
})
after(() => fixture.close())

describe('profiles over REST', () => {
  const metrics = { temperature: { type: 'number', unit: 'Cel', min: -40, max: 85, ratePerSecondMax: 0.5 } }

  it('have `default` from the start, which stays', async () => {
    const { api } = fixture
    const { unknownMetrics, aheadSecondsMax, oldestTime } = await api.ok('GET', '/profiles/default')
    assert.deepEqual(
      [unknownMetrics, aheadSecondsMax, oldestTime],
      ['accept', 300, '2000-01-01T00:00:00.000Z'],
    )
    assert.equal((await api.fails('forbidden', 'DELETE', '/profiles/default')).status, 403)
  })

  it('are created with defaults, changed and deleted', async () => {
    const { api, changes } = fixture
    const created = await api.ok('POST', '/profiles', { id: 'p', metrics, oldestTime: 1e12 }, 201)
    assert.deepEqual(created.metrics, metrics)
    assert.equal(created.oldestTime, '2001-09-09T01:46:40.000Z')
    assert.equal(created.intervalSeconds, null)
    const changed = await api.ok('PATCH', '/profiles/p', {
      unknownMetrics: 'quarantine',
      intervalSeconds: 60,
    })
    assert.deepEqual(changed.metrics, metrics)
    assert.equal(changed.unknownMetrics, 'quarantine')
    assert.equal((await api.ok('PATCH', '/profiles/p', { intervalSeconds: null })).intervalSeconds, null)
    await api.ok('DELETE', '/profiles/p', undefined, 204)
    await api.fails('notFound', 'GET', '/profiles/p')
    assert.deepEqual(changes.filter((change) => change === 'profile p').length, 4)
  })

  it('are refused when they are taken, unknown or not sound', async () => {
    const { api } = fixture
    await api.fails('alreadyExists', 'POST', '/profiles', { id: 'default' })
    await api.fails('notFound', 'GET', '/profiles/none')
    await api.fails('notFound', 'PATCH', '/profiles/none', {})
    await api.fails('notFound', 'DELETE', '/profiles/none')
    await api.fails('badIdentifier', 'GET', '/profiles/me')
    await api.fails('badIdentifier', 'POST', '/profiles', { id: 'a b' })
    const post = (more: object) => api.fails('badRequest', 'POST', '/profiles', { id: 'q', ...more })
    assert.match((await post({ metrics: { t: { min: 2, max: 1 } } })).message, /metrics\.t: min is above max/)
    assert.match((await post({ metrics: { t: { type: 'text' } } })).message, /body metrics\.t\.type/)
    await post({ metrics: { t: { type: 'string', max: 1 } } })
    await post({ metrics: { '': {} } })
    await post({ metrics: { 'a\nb': {} } })
    await post({ oldestTime: 'yesterday' })
    await post({ aheadSecondsMax: -1 })
    const many = Object.fromEntries(Array.from({ length: 1_001 }, (_, n) => [`m${n}`, {}]))
    assert.match((await post({ metrics: many })).message, /too many metrics/)
  })

  it('cannot be deleted while a device has them', async () => {
    const { api } = fixture
    await api.ok('POST', '/profiles', { id: 'used' }, 201)
    await fixture.addDevice('user', { profile: 'used' })
    const { message, status } = await api.fails('inUse', 'DELETE', '/profiles/used')
    assert.equal(message, 'The profile used is in use by 1 device.')
    assert.equal(status, 409)
    await api.ok('PATCH', '/devices/user', { profile: 'default' })
    await api.ok('DELETE', '/profiles/used', undefined, 204)
  })

  it('are listed page by page', async () => {
    const { api } = fixture
    for (const id of ['z1', 'z2', 'z3']) await api.ok('POST', '/profiles', { id }, 201)
    const first = await api.ok('GET', '/profiles?limit=2')
    const second = await api.ok('GET', `/profiles?limit=2&cursor=${first.nextCursor}`)
    const seen = [...first.items, ...second.items].map(({ id }) => id)
    assert.deepEqual(seen, ['default', 'z1', 'z2', 'z3'])
    assert.equal(second.nextCursor, null)
    await api.fails('badCursor', 'GET', '/profiles?cursor=x')
  })
})
