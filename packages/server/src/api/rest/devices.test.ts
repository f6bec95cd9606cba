import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type ApiFixture, createApiFixture } from '../testing/api-fixture.ts'

let fixture: ApiFixture
before(async () => {
  fixture = await createApiFixture()
})
after(() => fixture.close())

describe('devices', () => {
  it('are created with a token that is shown once', async () => {
    const { api } = fixture
    const created = await api.ok('POST', '/devices', { id: 'a-1', name: 'A', tags: ['x'] }, 201)
    assert.match(created.token, /^dt_[0-9A-Za-z]{16}_[0-9A-Za-z]{43}$/)
    assert.equal(created.device.profile, 'default')
    assert.equal(created.device.connection.online, false)
    const device = await api.ok('GET', '/devices/a-1')
    assert.deepEqual(device, created.device)
    assert.ok(!JSON.stringify(device).includes(created.token))
    assert.ok(fixture.changes.includes(`devices ${device.uid}`))
  })
})
