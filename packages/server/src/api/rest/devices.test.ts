import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { DroverError, limits } from '@drover/protocol'
import { resumeDeletions } from '../../devices/delete.ts'
import { type ApiFixture, createApiFixture } from '../testing/api-fixture.ts'

let fixture: ApiFixture
before(async () => {
  fixture = await createApiFixture()
})
after(() => fixture.close())

const ids = (page: { items: { id: string }[] }) => page.items.map(({ id }) => id)

describe('devices over REST', () => {
  it('are created with a token that is shown once', async () => {
    const { api, changes } = fixture
    const location = { latitude: 52.5, longitude: 13.4 }
    const input = { id: 'a-1', name: 'A', tags: ['y', 'x'], location }
    const created = await api.ok('POST', '/devices', input, 201)
    assert.match(created.token, /^dt_[0-9A-Za-z]{16}_[0-9A-Za-z]{43}$/)
    const { uid, createdAt } = created.device
    const connection = { online: false, since: null, lastSeen: null, reason: null, sessions: 0 }
    assert.deepEqual(await api.ok('GET', '/devices/a-1'), {
      ...input,
      uid,
      tags: ['x', 'y'],
      profile: 'default',
      parent: null,
      state: 'active',
      createdAt,
      updatedAt: createdAt,
      connection,
    })
    assert.equal(createdAt, '2026-11-22T00:00:00.000Z')
    assert.ok(changes.includes(`devices ${uid}`))
  })

  it('are refused when the id is taken, or when profile or parent are missing', async () => {
    const { api } = fixture
    await fixture.addDevice('taken')
    assert.equal((await api.fails('alreadyExists', 'POST', '/devices', { id: 'taken' })).status, 409)
    await api.fails('notFound', 'POST', '/devices', { id: 'new', profile: 'none' })
    await api.fails('notFound', 'POST', '/devices', { id: 'new', parent: 'none' })
    await api.fails('badRequest', 'POST', '/devices', { id: 'new', parent: 'new' })
    await api.fails('notFound', 'GET', '/devices/new')
  })

  it('have ids that fit into topics and paths', async () => {
    const { api } = fixture
    for (const id of ['a/b', 'a#', '+', 'nul\u0000', '..', '.', 'me', '', ' a', 'ä', 'x'.repeat(129)]) {
      const { status, details } = await api.fails('badIdentifier', 'POST', '/devices', { id })
      assert.equal(status, 400)
      assert.deepEqual(details, { id: JSON.stringify(id) })
    }
    for (const id of ['a%2Fb', '%23', 'nul%00', 'me', '%F0%9F%90%91', 'x'.repeat(129)])
      await api.fails('badIdentifier', 'GET', `/devices/${id}`)
    await fixture.addDevice('A.z_0:9-')
    assert.equal((await api.ok('GET', '/devices/A.z_0:9-')).id, 'A.z_0:9-')
    assert.equal((await api.ok('GET', '/devices/A.z_0%3A9-')).id, 'A.z_0:9-')
    const longest = `x${'0'.repeat(127)}`
    await fixture.addDevice(longest)
    assert.equal((await api.ok('GET', `/devices/${longest}`)).id, longest)
  })

  it('are refused with the path of what is wrong', async () => {
    const { api } = fixture
    const wrong = { id: 'w', tags: 'x', location: { latitude: 91, longitude: 0 }, extra: 1 }
    const { message } = await api.fails('badRequest', 'POST', '/devices', wrong)
    assert.match(message, /body tags: /)
    assert.match(message, /body location\.latitude: /)
    assert.match(message, /extra/)
    await api.fails('badRequest', 'POST', '/devices', {
      id: 'w',
      tags: Array(limits.tagsPerDeviceMax + 1).fill('t'),
    })
    await api.fails('badRequest', 'POST', '/devices')
    await api.fails('badRequest', 'POST', '/devices', [])
  })

  it('are changed in what is named only', async () => {
    const { api, time } = fixture
    await fixture.addDevice('gateway')
    await fixture.addDevice('change', { name: 'before', tags: ['t'] })
    time.nowMicros += 1_000_001
    const changed = await api.ok('PATCH', '/devices/change', { name: 'after', parent: 'gateway' })
    assert.equal(changed.name, 'after')
    assert.equal(changed.parent, 'gateway')
    assert.deepEqual(changed.tags, ['t'])
    assert.equal(changed.updatedAt, '2026-11-22T00:00:01.000001Z')
    assert.deepEqual(await api.ok('GET', '/devices/change'), changed)
    assert.equal((await api.ok('PATCH', '/devices/change', { parent: null })).parent, null)
    await api.fails('badRequest', 'PATCH', '/devices/change', { parent: 'change' })
    await api.fails('notFound', 'PATCH', '/devices/change', { profile: 'none' })
    await api.fails('badRequest', 'PATCH', '/devices/change', { id: 'other' })
    await api.fails('notFound', 'PATCH', '/devices/none', {})
  })

  it('are cut off when they are suspended', async () => {
    const { api, presence, context } = fixture
    const { uid, token } = await fixture.addDevice('suspend')
    await context.deviceAccess.authenticate({ deviceId: undefined, token })
    await api.ok('PATCH', '/devices/suspend', { state: 'suspended' })
    assert.deepEqual(presence.closed.at(-1), [uid, 'deviceSuspended'])
    await assert.rejects(context.deviceAccess.authenticate({ deviceId: undefined, token }), /suspended/)
    await api.ok('PATCH', '/devices/suspend', { state: 'active' })
    await context.deviceAccess.authenticate({ deviceId: undefined, token })
  })

  it('are deleted with their data; created again they start empty', async () => {
    const { api, presence, changes, context, registry } = fixture
    const { uid, token } = await fixture.addDevice('gone')
    await fixture.addSeries(uid, 't', { values: [{ at: 1, value: 1 }] })
    assert.equal((await api.ok('GET', '/devices/gone/telemetry?metric=t')).points.length, 1)
    await api.ok('DELETE', '/devices/gone', undefined, 204)
    assert.deepEqual(presence.closed.at(-1), [uid, 'deviceDeleted'])
    assert.ok(changes.includes(`delete ${uid}`))
    assert.deepEqual(await registry.devices.pendingDeletions(), [])
    await assert.rejects(context.deviceAccess.authenticate({ deviceId: undefined, token }))
    await api.fails('notFound', 'GET', '/devices/gone')
    await api.fails('notFound', 'DELETE', '/devices/gone')
    const again = await fixture.addDevice('gone')
    assert.ok(again.uid > uid)
    assert.deepEqual((await api.ok('GET', '/devices/gone/telemetry?metric=t')).points, [])
    assert.deepEqual((await api.ok('GET', '/devices/gone/latest')).metrics, {})
  })

  it('are gone also when the store does not answer; their data follows at the next start', async () => {
    const refuse = () => Promise.reject(new DroverError('storeUnavailable', { reason: 'it restarts' }))
    const deleted: number[] = []
    const storage = { ...fixture.context.storage, deleteDevice: refuse }
    const other = await createApiFixture({ storage })
    const { uid } = await other.addDevice('gone')
    await other.api.ok('DELETE', '/devices/gone', undefined, 204)
    assert.deepEqual(await other.registry.devices.pendingDeletions(), [uid])
    await other.api.fails('notFound', 'GET', '/devices/gone')
    const deleteDevice = async (uid: number) => void deleted.push(uid)
    await resumeDeletions({ ...other.context, storage: { ...storage, deleteDevice } })
    assert.deepEqual(deleted, [uid])
    assert.deepEqual(await other.registry.devices.pendingDeletions(), [])
    await other.close()
  })

  it('say whether they are online', async () => {
    const { api, presence } = fixture
    const { uid } = await fixture.addDevice('connected')
    presence.online.add(uid)
    assert.equal((await api.ok('GET', '/devices/connected/connection')).online, true)
    await api.fails('notFound', 'GET', '/devices/none/connection')
  })
})

describe('lists of devices over REST', () => {
  before(async () => {
    for (let n = 0; n < 25; n++)
      await fixture.addDevice(`list-${String(n).padStart(2, '0')}`, { tags: n % 5 ? ['l'] : ['l', 'fifth'] })
  })

  it('come in pages, in the order of ids, without a gap', async () => {
    const { api } = fixture
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const page: { items: { id: string }[]; nextCursor: string | null } = await api.ok(
        'GET',
        `/devices?tag=l&limit=7${cursor ? `&cursor=${cursor}` : ''}`,
      )
      assert.ok(page.items.length <= 7)
      seen.push(...ids(page))
      cursor = page.nextCursor
    } while (cursor)
    assert.equal(seen.length, 25)
    assert.deepEqual(seen, seen.toSorted())
    const whole = await api.ok('GET', '/devices?tag=l&limit=25')
    assert.equal(whole.nextCursor, null)
  })

  it('are filtered by words, profile, tag and state', async () => {
    const { api, presence } = fixture
    await api.ok('POST', '/profiles', { id: 'listed' }, 201)
    const { uid } = await fixture.addDevice('Filter-1', { name: 'Cold Room', profile: 'listed' })
    await fixture.addDevice('filter-2', { name: 'warm room', state: 'suspended' })
    presence.online.add(uid)
    assert.deepEqual(ids(await api.ok('GET', '/devices?q=FILTER')), ['Filter-1', 'filter-2'])
    assert.deepEqual(ids(await api.ok('GET', '/devices?q=room%20cold')), ['Filter-1'])
    assert.deepEqual(ids(await api.ok('GET', '/devices?profile=listed')), ['Filter-1'])
    assert.deepEqual(ids(await api.ok('GET', '/devices?q=filter&state=suspended')), ['filter-2'])
    assert.deepEqual(ids(await api.ok('GET', '/devices?q=filter&state=online')), ['Filter-1'])
    assert.deepEqual(ids(await api.ok('GET', '/devices?q=filter&state=offline')), ['filter-2'])
    assert.equal((await api.ok('GET', '/devices?tag=fifth')).items.length, 5)
    assert.deepEqual(ids(await api.ok('GET', '/devices?tag=none')), [])
  })

  it('come in pages also when they are filtered by connection', async () => {
    const { api } = fixture
    const first = await api.ok('GET', '/devices?tag=l&state=offline&limit=20')
    const rest = await api.ok('GET', `/devices?tag=l&state=offline&limit=20&cursor=${first.nextCursor}`)
    assert.equal(new Set([...ids(first), ...ids(rest)]).size, 25)
    assert.equal(rest.nextCursor, null)
  })

  it('refuse cursors that they did not give, and limits that are none', async () => {
    const { api } = fixture
    const { nextCursor } = await api.ok('GET', '/devices?limit=1')
    await api.ok('GET', `/devices?limit=1&cursor=${nextCursor}`)
    const others = [
      nextCursor.slice(2),
      'x',
      '',
      '%00',
      Buffer.from('["profiles","a"]').toString('base64url'),
    ]
    for (const cursor of [...others, Buffer.from('["devices",1]').toString('base64url')])
      assert.equal((await api.fails('badCursor', 'GET', `/devices?cursor=${cursor}`)).status, 400)
    for (const limit of ['0', '-1', '1.5', 'x', '1001', 'NaN', 'Infinity'])
      await api.fails('badRequest', 'GET', `/devices?limit=${limit}`)
    await api.fails('badRequest', 'GET', '/devices?state=lost')
    await api.fails('badRequest', 'GET', '/devices?unknown=1')
  })
})

describe('device tokens over REST', () => {
  it('are issued, listed without their secrets, and revoked', async () => {
    const { api, context, presence } = fixture
    const { token: first } = await fixture.addDevice('tokens')
    const issued = await api.ok('POST', '/devices/tokens/tokens', undefined, 201)
    const { tenant } = await context.deviceAccess.authenticate({ deviceId: 'tokens', token: issued.token })
    assert.equal(tenant, 1)
    const { items } = await api.ok('GET', '/devices/tokens/tokens')
    assert.equal(items.length, 2)
    assert.deepEqual(Object.keys(items[0]), ['keyId', 'createdAt', 'lastUsedAt'])
    assert.ok(items.some((row: { lastUsedAt: unknown }) => row.lastUsedAt !== null))
    await api.ok('DELETE', `/devices/tokens/tokens/${issued.keyId}`, undefined, 204)
    assert.deepEqual(presence.closed.at(-1), [issued.keyId, 'tokenRevoked'])
    await assert.rejects(context.deviceAccess.authenticate({ deviceId: undefined, token: issued.token }))
    await context.deviceAccess.authenticate({ deviceId: undefined, token: first })
    await api.fails('notFound', 'DELETE', `/devices/tokens/tokens/${issued.keyId}`)
    await api.fails('notFound', 'POST', '/devices/none/tokens')
  })

  it('are so many at most, revoked ones not counted', async () => {
    const { api } = fixture
    await fixture.addDevice('many')
    const keyIds: string[] = []
    for (let n = 1; n < limits.tokensPerDeviceMax; n++)
      keyIds.push((await api.ok('POST', '/devices/many/tokens', {}, 201)).keyId)
    await api.fails('badRequest', 'POST', '/devices/many/tokens')
    await api.ok('DELETE', `/devices/many/tokens/${keyIds[0]}`, undefined, 204)
    await api.ok('POST', '/devices/many/tokens', undefined, 201)
  })
})
