/** What whoever runs Drover relies on: start, stop, restart, two instances, backup, keys. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { type Device, isDroverError } from '@drover/protocol'
import { connectAsync } from 'mqtt'
import { command } from '../support/drover.ts'
import { storedPoints } from '../support/expectation.ts'
import { openPublisher, type Publisher } from '../support/publisher.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { eventually } from '../support/wait.ts'

/** On an idle machine it is under three seconds; tests share theirs. */
const readyMsMax = 10_000
const stopMsMax = 10_000
const startMs = Date.UTC(2026, 0, 1)

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'drover-operation-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

interface Flood {
  readonly publisher: Publisher
  /** Numbers that were acknowledged; number n has the time `startMs + n` ms. */
  readonly acknowledged: number[]
}

/** Sends numbers as fast as they are acknowledged, until the connection ends. */
async function flood(server: TestServer, device: string, token: string): Promise<Flood> {
  const acknowledged: number[] = []
  const publisher = await openPublisher({
    url: server.mqtt,
    device,
    token,
    window: 100,
    next: (n) => Buffer.from(`{"ts":${startMs + n},"values":{"n":${n}}}`),
    onAcknowledged: (n) => acknowledged.push(n),
  })
  return { publisher, acknowledged }
}

/** Waits until all of them are there; answers how many points there are. */
async function assertThere(server: TestServer, device: string, numbers: readonly number[]): Promise<number> {
  return eventually(
    async () => {
      const stored = new Map((await storedPoints(server.client, device, 'n')).map(([time, n]) => [n, time]))
      const missing = numbers.find((n) => stored.get(n) !== startMs + n)
      assert.equal(missing, undefined, `${missing} of ${numbers.length} is not among ${stored.size}`)
      return stored.size
    },
    { deadlineMs: 30_000, everyMs: 100 },
  )
}

/** `drover up` that is expected to end by itself. */
async function upFails(...args: string[]): Promise<{ code: number; output: string }> {
  const off = ['--https', 'off', '--mqtts', 'off', '--http', '127.0.0.1:0', '--mqtt', '127.0.0.1:0']
  const child = spawn(process.execPath, [command, 'up', ...off, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
  })
  const output = Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = (await once(child, 'exit')) as [number]
  return { code, output: (await output).join('') }
}

test('it is ready within seconds, with a certificate authority to fetch and a key that only its owner reads', async (t) => {
  const startedAt = performance.now()
  await using server = await startServer({ flags: ['--https', '127.0.0.1:0', '--mqtts', '127.0.0.1:0'] })
  const readyMs = performance.now() - startedAt
  t.diagnostic(`ready after ${Math.round(readyMs)} ms`)
  assert.ok(readyMs < readyMsMax, `${readyMs} ms`)
  const ca = await fetch(`${server.http}/ca.pem`)
  assert.match(await ca.text(), /^-----BEGIN CERTIFICATE-----\n/)
  const keyFile = join(server.dataDirectory, 'admin-key')
  assert.equal((await stat(keyFile)).mode & 0o777, 0o600)
  assert.match(await readFile(keyFile, 'utf8'), /^\S{32,}\n?$/)
})

test('a second process on the same data directory is refused, and the first goes on', async () => {
  await using server = await startServer()
  const { code, output } = await upFails('--data', server.dataDirectory)
  assert.notEqual(code, 0)
  assert.match(output, /dataDirectoryInUse/)
  assert.match(output, new RegExp(`Another Drover \\(process ${server.pid}\\) uses`))
  assert.equal((await fetch(`${server.http}/readyz`)).status, 200)
})

test('a plaintext listener for the network is refused unless it is allowed', async (t) => {
  const directory = await folder(t)
  for (const flag of ['--http', '--mqtt']) {
    const { code, output } = await upFails('--data', directory, flag, '0.0.0.0:0')
    assert.notEqual(code, 0)
    assert.match(output, /plaintextRefused/)
    assert.match(output, /--allow-plaintext/)
  }
})

test('two instances run side by side and know nothing of each other', async () => {
  await using one = await startServer()
  await using other = await startServer()
  await one.client.devices.create({ id: 'twin' })
  assert.deepEqual((await other.client.devices.list()).items, [])
  await assert.rejects(other.client.devices.get('twin'), (error) => isDroverError(error, 'notFound'))
})

test('SIGTERM under load: exits 0 within ten seconds, and nothing acknowledged is lost', async (t) => {
  const dataDirectory = await folder(t)
  await using first = await startServer({ dataDirectory })
  const { token } = await first.client.devices.create({ id: 'load' })
  const { publisher, acknowledged } = await flood(first, 'load', token)
  await eventually(() => acknowledged.length > 2_000)
  const startedAt = performance.now()
  assert.equal(await first.stop(), 0, first.logs.join('\n'))
  assert.ok(performance.now() - startedAt < stopMsMax)
  await publisher.closed
  await using second = await startServer({ dataDirectory })
  await assertThere(second, 'load', acknowledged)
})

test('a restart keeps devices, tokens and latest values', async (t) => {
  const dataDirectory = await folder(t)
  await using first = await startServer({ dataDirectory })
  const { token } = await first.client.devices.create({ id: 'kept', name: 'Boiler', tags: ['cellar'] })
  const device = await connectAsync(first.mqtt, { username: 'kept', password: token })
  await device.publishAsync('me/telemetry', '{"n":7,"text":"warm"}', { qos: 1 })
  const latest = await eventually(async () => {
    const found = await first.client.devices.latest('kept')
    return Object.keys(found.metrics).length === 2 && found
  })
  await device.endAsync()
  await eventually(async () => !(await first.client.devices.connection('kept')).online)
  const described = await first.client.devices.get('kept')
  assert.equal(await first.stop(), 0)

  await using second = await startServer({ dataDirectory })
  assert.equal(second.adminKey, first.adminKey)
  const lasting = ({ id, uid, name, tags, profile, createdAt, updatedAt }: Device) => ({
    id,
    uid,
    name,
    tags,
    profile,
    createdAt,
    updatedAt,
  })
  assert.deepEqual(lasting(await second.client.devices.get('kept')), lasting(described))
  assert.deepEqual(await second.client.devices.latest('kept'), latest)
  assert.equal((await second.client.devices.connection('kept')).online, false)
  await (await connectAsync(second.mqtt, { username: 'kept', password: token })).endAsync()
})

test('a restart, also after a crash, keeps when a device was there and why it is not', async (t) => {
  const dataDirectory = await folder(t)
  await using first = await startServer({ dataDirectory })
  const { token } = await first.client.devices.create({ id: 'gone' })
  const { token: stays } = await first.client.devices.create({ id: 'stays' })
  const session = { protocolVersion: 5, reconnectPeriod: 0 } as const
  await (await connectAsync(first.mqtt, { ...session, username: 'gone', password: token })).endAsync()
  const left = await eventually(async () => {
    const connection = await first.client.devices.connection('gone')
    return connection.reason === 'disconnected' && connection
  })
  await connectAsync(first.mqtt, { ...session, username: 'stays', password: stays })
  const there = await first.client.devices.connection('stays')
  assert.equal(await first.stop(), 0)

  await using second = await startServer({ dataDirectory })
  assert.deepEqual(await second.client.devices.connection('gone'), left)
  const stopped = await second.client.devices.connection('stays')
  assert.equal(stopped.reason, 'serverStopped')
  assert.ok(stopped.since! > there.since! && stopped.lastSeen! >= there.lastSeen!, JSON.stringify(stopped))
  await connectAsync(second.mqtt, { ...session, username: 'stays', password: stays })
  const again = await second.client.devices.connection('stays')
  await kept(dataDirectory, Date.parse(again.since!))
  await second.kill()

  await using third = await startServer({ dataDirectory })
  const killed = await third.client.devices.get('stays')
  const { since, lastSeen } = killed.connection
  assert.deepEqual(killed.connection, {
    online: false,
    since,
    lastSeen,
    reason: 'serverStopped',
    sessions: 0,
  })
  assert.ok(lastSeen! >= again.since!, `${lastSeen} after ${again.since}`)
  assert.deepEqual(await third.client.devices.connection('gone'), left)
})

/** Waits until the registry has written down that a device is there since then. */
async function kept(dataDirectory: string, sinceMs: number): Promise<void> {
  const registry = new DatabaseSync(join(dataDirectory, 'registry.sqlite'), { readOnly: true })
  try {
    const count = registry.prepare('select count(*) as count from connections where since = ?')
    await eventually(() => count.get(sinceMs * 1_000)!.count === 1)
  } finally {
    registry.close()
  }
}

test('a device that is deleted and created again starts empty', async () => {
  await using server = await startServer()
  const { token } = await server.client.devices.create({ id: 'again' })
  const { publisher, acknowledged } = await flood(server, 'again', token)
  await eventually(() => acknowledged.length > 100)
  await server.client.devices.delete('again')
  await publisher.closed
  await assert.rejects(server.client.devices.latest('again'), (error) => isDroverError(error, 'notFound'))
  const { token: newToken } = await server.client.devices.create({ id: 'again' })
  assert.deepEqual((await server.client.devices.latest('again')).metrics, {})
  assert.deepEqual(await storedPoints(server.client, 'again', 'n'), [])
  const connecting = connectAsync(server.mqtt, { username: 'again', password: token, reconnectPeriod: 0 })
  await assert.rejects(connecting)
  const device = await connectAsync(server.mqtt, { username: 'again', password: newToken })
  await device.publishAsync('me/telemetry', `{"ts":${startMs},"values":{"n":0}}`, { qos: 1 })
  await device.endAsync()
  assert.equal(await assertThere(server, 'again', [0]), 1)
})

test('a token that is revoked closes its connections within two seconds, and no others', async () => {
  await using server = await startServer()
  const { token, device } = await server.client.devices.create({ id: 'revoked' })
  const { token: second, keyId } = await server.client.devices.createToken(device.id)
  const session = { username: 'revoked', protocolVersion: 5, reconnectPeriod: 0 } as const
  const stays = await connectAsync(server.mqtt, { ...session, clientId: 'stays', password: token })
  const goes = await connectAsync(server.mqtt, { ...session, clientId: 'goes', password: second })
  const revokedAt = performance.now()
  const closed = new Promise<void>((resolve) => goes.once('close', () => resolve()))
  await server.client.devices.revokeToken('revoked', keyId)
  await closed
  assert.ok(performance.now() - revokedAt < 2_000)
  await stays.publishAsync('me/telemetry', '{"n":1}', { qos: 1 })
  await stays.endAsync()
})

test('a backup taken while devices send starts as a server with all that was acknowledged before it began', async (t) => {
  await using server = await startServer()
  const { token } = await server.client.devices.create({ id: 'copied' })
  const { publisher, acknowledged } = await flood(server, 'copied', token)
  await eventually(() => acknowledged.length > 5_000)
  const dataDirectory = join(await folder(t), 'backup')
  const before = [...acknowledged]
  await server.client.backups.create(dataDirectory)
  assert.ok(acknowledged.length > before.length, 'devices sent meanwhile')
  publisher.destroy()

  await using copy = await startServer({ dataDirectory })
  assert.equal(copy.adminKey, server.adminKey)
  await assertThere(copy, 'copied', before)
  const device = await connectAsync(copy.mqtt, { username: 'copied', password: token })
  await device.publishAsync('me/telemetry', `{"ts":${startMs - 1},"values":{"n":-1}}`, { qos: 1 })
  await device.endAsync()
  await assertThere(copy, 'copied', [...before, -1])
})
