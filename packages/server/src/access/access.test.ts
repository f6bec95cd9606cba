import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { type ErrorCode, isDroverError, limits } from '@drover/protocol'
import { newDevice } from '../registry/registry.contract.ts'
import { openRegistry, type Registry } from '../registry/registry.ts'
import { createDeviceToken } from '../runtime/ids.ts'
import { ensureAdminKey } from './admin-key.ts'
import { createDeviceAuthenticator, type DeviceAccess } from './device-authenticator.ts'
import { RefusalLog } from './refusals.ts'
import { sha256 } from './secrets.ts'
import { findKeyHolder, findSession, signIn, signOut } from './sessions.ts'
import { SignInAttempts } from './sign-in-attempts.ts'

const hourMicros = 3_600_000_000
let nowMicros = 0
const clock = { nowMicros: () => nowMicros, every: () => () => {} }
let registry: Registry
let refusals: RefusalLog

const rejects = (promise: Promise<unknown>, code: ErrorCode) =>
  assert.rejects(promise, (error) => isDroverError(error, code))

beforeEach(async () => {
  nowMicros = 1_700_000_000_000_000
  registry = await openRegistry({ path: ':memory:', nowMicros: clock.nowMicros })
  refusals = new RefusalLog(registry, clock)
})
afterEach(() => registry.close())

async function addDevice(id: string, state: 'active' | 'suspended' = 'active') {
  const { keyId, secret, token } = createDeviceToken()
  const uid = (await registry.devices.insert(1, [newDevice(id, { state })], nowMicros)).get(id)!
  await registry.tokens.insert([{ keyId, deviceUid: uid, hash: sha256(secret) }], nowMicros)
  return { uid, keyId, token }
}

describe('device tokens', () => {
  let access: DeviceAccess
  beforeEach(() => {
    access = createDeviceAuthenticator({ registry, clock, refusals, cachedMax: 2 })
  })
  afterEach(() => access.close())

  it('say who the device is, with or without its id', async () => {
    const { uid, keyId, token } = await addDevice('one')
    const identity = { tenant: 1, deviceUid: uid, deviceId: 'one', keyId }
    assert.deepEqual(await access.authenticate({ deviceId: undefined, token }), identity)
    assert.deepEqual(await access.authenticate({ deviceId: 'one', token }), identity)
  })

  it('are refused when missing, wrong, unknown, of another device or of a suspended one', async () => {
    const { token, keyId } = await addDevice('one')
    const suspended = await addDevice('two', 'suspended')
    await rejects(access.authenticate({ deviceId: undefined, token: '' }), 'unauthenticated')
    await rejects(access.authenticate({ deviceId: undefined, token: 'nonsense' }), 'badCredentials')
    const otherSecret = `dt_${keyId}_${'x'.repeat(43)}`
    await rejects(access.authenticate({ deviceId: undefined, token: otherSecret }), 'badCredentials')
    await rejects(
      access.authenticate({ deviceId: undefined, token: createDeviceToken().token }),
      'badCredentials',
    )
    await rejects(access.authenticate({ deviceId: 'two', token }), 'badCredentials')
    await rejects(access.authenticate({ deviceId: undefined, token: suspended.token }), 'forbidden')
  })

  it('are refused at once after they were revoked, also from the cache', async () => {
    const { uid, keyId, token } = await addDevice('one')
    await access.authenticate({ deviceId: undefined, token })
    await registry.tokens.revoke(uid, keyId, nowMicros)
    access.forgetToken(keyId)
    await rejects(access.authenticate({ deviceId: undefined, token }), 'badCredentials')
  })

  it('are not remembered when they are revoked while they are looked up', async () => {
    const { uid, keyId, token } = await addDevice('one')
    const lookedUp = access.authenticate({ deviceId: undefined, token }).catch(() => undefined)
    const revoked = registry.tokens.revoke(uid, keyId, nowMicros).then(() => access.forgetToken(keyId))
    await Promise.all([lookedUp, revoked])
    await rejects(access.authenticate({ deviceId: undefined, token }), 'badCredentials')
  })

  it('follow the state of the device', async () => {
    const { uid, token } = await addDevice('one')
    await access.authenticate({ deviceId: undefined, token })
    const device = (await registry.devices.get(1, 'one'))!
    await registry.devices.update({ ...device, state: 'suspended' }, null, nowMicros)
    access.forgetDevice(uid)
    await rejects(access.authenticate({ deviceId: undefined, token }), 'forbidden')
  })

  it('are right also when more are in use than are remembered', async () => {
    const devices = await Promise.all(['a', 'b', 'c'].map((id) => addDevice(id)))
    for (let round = 0; round < 2; round++)
      for (const { token, uid } of devices)
        assert.equal((await access.authenticate({ deviceId: undefined, token })).deviceUid, uid)
  })

  it('note when they were last used, and who was refused', async () => {
    const { uid, token } = await addDevice('one')
    await access.authenticate({ deviceId: undefined, token })
    await access.flush()
    assert.equal((await registry.tokens.list(uid))[0]?.lastUsedAtMicros, nowMicros)
    await rejects(access.authenticate({ deviceId: 'two', token }), 'badCredentials')
    await refusals.flush()
    const [row] = await registry.audit.list(1, 10)
    assert.equal(row?.action, 'device.refused')
    assert.equal(row?.subject, 'two')
    assert.ok(!JSON.stringify(row).includes(token.slice(-43)), 'the secret is not written')
  })

  it('are checked 20,000 times a second', async () => {
    const { token } = await addDevice('one')
    await access.authenticate({ deviceId: 'one', token })
    const startedAt = performance.now()
    for (let n = 0; n < 5_000; n++) await access.authenticate({ deviceId: 'one', token })
    const perSecond = 5_000 / ((performance.now() - startedAt) / 1_000)
    assert.ok(perSecond > 20_000, `${Math.round(perSecond)} a second`)
  })
})

describe('the audit log of refusals', () => {
  const refused = { tenant: 1, actor: 'unknown', address: null, action: 'x', subject: null, details: {} }

  it('takes so many a minute, and counts the rest', async () => {
    const { auditedRefusalsPerMinuteMax: max } = limits
    for (let n = 0; n < max + 7; n++) refusals.add(refused)
    await refusals.flush()
    assert.equal((await registry.audit.list(1, 1_000)).length, max)
    nowMicros += 60_000_000
    await refusals.flush()
    const [row] = await registry.audit.list(1, 1)
    assert.equal(row?.action, 'access.refusalsLeftOut')
    assert.deepEqual(row?.details, { count: 7 })
  })
})

describe('the administrator key', () => {
  let directory = ''
  let path = ''
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'drover-key-'))
    path = join(directory, 'admin-key')
  })
  afterEach(() => rm(directory, { recursive: true }))
  const ensure = () => ensureAdminKey({ path, registry, nowMicros: clock.nowMicros })

  it('is made once, alone in a file that only its owner reads', async () => {
    assert.deepEqual(await ensure(), { created: true })
    const key = await readFile(path, 'utf8')
    assert.match(key, /^ak_[0-9A-Za-z]{43}$/)
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    assert.deepEqual(await ensure(), { created: false })
    assert.equal(await readFile(path, 'utf8'), key)
    assert.equal((await findKeyHolder({ registry } as never, key, '::1')).name, 'admin-key')
  })

  it('is what the file holds; the key before it no longer opens anything', async () => {
    await ensure()
    const old = await readFile(path, 'utf8')
    const chosen = 'k'.repeat(40)
    await writeFile(path, `${chosen}\n`)
    assert.deepEqual(await ensure(), { created: false })
    assert.equal(await registry.adminKeys.find(sha256(old)), undefined)
    assert.ok(await registry.adminKeys.find(sha256(chosen)))
  })

  it('is refused when it could be guessed', async () => {
    await writeFile(path, 'secret')
    await rejects(ensure(), 'badConfiguration')
  })
})

describe('console sessions', () => {
  const key = 'k'.repeat(43)
  const address = '192.0.2.1'
  const open = () => {
    const signInAttempts = new SignInAttempts(clock.nowMicros)
    return { registry, clock, refusals, signInAttempts }
  }
  beforeEach(async () => {
    await registry.adminKeys.put(1, 'admin-key', sha256(key), nowMicros)
  })

  it('last twelve hours, or until signed out', async () => {
    const context = open()
    const { secret, expiresAtMicros } = await signIn(context, key, address)
    assert.equal(expiresAtMicros, nowMicros + 12 * hourMicros)
    const actor = await findSession(context, secret, address)
    assert.match(actor.name, /^session:[0-9a-f]{8}$/)
    nowMicros += 12 * hourMicros
    await rejects(findSession(context, secret, address), 'badCredentials')
    const second = await signIn(context, key, address)
    await signOut(context, second.secret, actor)
    await rejects(findSession(context, second.secret, address), 'badCredentials')
  })

  it('cannot be opened by trying keys: an address that failed often has to wait', async () => {
    const context = open()
    for (let n = 0; n < limits.failedSignInsPerMinuteMax; n++)
      await rejects(signIn(context, 'wrong', address), 'badCredentials')
    await rejects(signIn(context, key, address), 'tooManyAttempts')
    await signIn(context, key, '192.0.2.2')
    nowMicros += 60_000_000
    await signIn(context, key, address)
  })

  it('are written to the audit log, refused ones too', async () => {
    const context = open()
    await signIn(context, key, address)
    await rejects(signIn(context, 'wrong', address), 'badCredentials')
    await refusals.flush()
    const rows = await registry.audit.list(1, 10)
    assert.deepEqual(
      rows.map((row) => [row.action, row.address]),
      [
        ['session.refused', address],
        ['session.create', address],
      ],
    )
  })
})
