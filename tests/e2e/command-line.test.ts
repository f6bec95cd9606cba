/** The drover command against a running server, as a person and as a program use it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Device, DeviceCreated, LiveEvent, Point, Profile, Token } from '@drover/protocol'
import { createDevice } from '@drover/sdk/device'
import { command, drover, droverJson } from '../support/drover.ts'
import { storedPoints } from '../support/expectation.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { eventually } from '../support/wait.ts'

const start = Date.UTC(2026, 0, 1)

describe('the drover command', () => {
  let server: TestServer
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drover-command-'))
    server = await startServer()
  })
  after(async () => {
    await server?.remove()
    await rm(folder, { recursive: true })
  })

  const run = (...args: string[]) => drover(args, server)
  const json = <T>(...args: string[]) => droverJson<T>(args, server)
  const countOf = (device: string, metric: string) =>
    storedPoints(server.client, device, metric).then((points) => points.length)

  test('adds, lists, shows and removes a device', async () => {
    const { device, token } = await json<DeviceCreated>(
      'devices',
      'add',
      'a-1',
      '--name',
      'One',
      '--tag',
      'x',
      'y',
    )
    assert.deepEqual(
      [device.id, device.name, device.tags, device.profile],
      ['a-1', 'One', ['x', 'y'], 'default'],
    )
    assert.match(token, /^dt_/)
    assert.match(
      (await run('devices', 'list', '--tag', 'x')).stdout,
      /^a-1 +One +default +x y +offline +never$/m,
    )
    assert.match((await run('devices', 'show', 'a-1')).stdout, /No values yet/)
    assert.deepEqual(await json('devices', 'remove', 'a-1'), { removed: ['a-1'] })
    assert.deepEqual(await json<Device[]>('devices', 'list', '--tag', 'x'), [])
  })

  test('prints the token of a new device with commands that work', async () => {
    const { stdout } = await run('devices', 'add', 'a-2')
    const [token] = /dt_\w+/.exec(stdout)!
    const published = createDevice({ url: server.mqtt, device: 'a-2', token })
    await published.publish({ temperature: 21.4 })
    await published.close()
    await eventually(async () => (await countOf('a-2', 'temperature')) === 1)
    assert.match((await run('devices', 'show', 'a-2')).stdout, /^temperature +21\.4 /m)
  })

  test('makes, lists and revokes tokens', async () => {
    await json('devices', 'add', 'a-3')
    const { keyId } = await json<Token>('devices', 'token', 'a-3')
    assert.equal((await json<Token[]>('devices', 'token', 'a-3', '--list')).length, 2)
    await json('devices', 'token', 'a-3', '--revoke', keyId)
    assert.equal((await json<Token[]>('devices', 'token', 'a-3', '--list')).length, 1)
  })

  test('says what is wrong, with the code, and ends with 1', async () => {
    const missing = await run('devices', 'show', 'nobody')
    assert.equal(missing.code, 1)
    assert.match(missing.stderr, /^drover: notFound: There is no device nobody/)
    assert.match(missing.stderr, /drover devices list/)
    assert.match((await run('devices', 'add', 'a/b')).stderr, /badIdentifier/)
    const stranger = await drover(['devices', 'list', '--url', server.http, '--key', 'wrong'])
    assert.match(stranger.stderr, /badCredentials.*\n.*--key/)
  })

  test('reaches a server over TLS with the certificate of its own CA', async () => {
    await using secure = await startServer({ flags: ['--https', '127.0.0.1:0', '--mqtts', '127.0.0.1:0'] })
    const ca = join(folder, 'ca.pem')
    await writeFile(ca, await (await fetch(`${secure.http}/ca.pem`)).text())
    const access = ['--url', secure.https!, '--key', secure.adminKey]
    assert.match((await drover(['devices', 'list', ...access])).stderr, /serverUnreachable/)
    assert.equal((await drover(['devices', 'list', ...access, '--ca', ca])).code, 0)
    const simulated = await drover([
      'simulate',
      '--devices',
      '2',
      '--interval',
      '50ms',
      '--duration',
      '1s',
      ...access,
      '--ca',
      ca,
    ])
    assert.match(simulated.stdout, /failed 0/)
  })

  test('applies profiles from YAML, a second time without a change', async () => {
    const file = join(folder, 'boiler.yaml')
    await writeFile(file, 'id: boiler\nmetrics:\n  temperature: { unit: Cel, min: 0, max: 120 }\n')
    assert.match((await run('profiles', 'apply', file)).stdout, /boiler: created/)
    assert.match((await run('profiles', 'apply', file)).stdout, /boiler: changed/)
    const { metrics } = await json<Profile>('profiles', 'show', 'boiler')
    assert.deepEqual(metrics.temperature, { type: 'number', unit: 'Cel', min: 0, max: 120 })
    assert.match((await run('profiles', 'list')).stdout, /^boiler +temperature/m)
    await writeFile(file, 'id: boiler\nmetrics:\n  temperature: { min: low }\n')
    assert.match((await run('profiles', 'apply', file)).stderr, /badRequest.*temperature/s)
  })

  /** `rows` rows, a minute apart, of two devices. */
  async function writeReadings(name: string, rows: number): Promise<string> {
    const lines = Array.from({ length: rows }, (_, row) => {
      const time = new Date(start + Math.floor(row / 2) * 60_000).toISOString()
      return `${time},${name}-${row % 2},${row}`
    })
    const file = join(folder, `${name}.csv.gz`)
    await writeFile(file, gzipSync(`time,device,value\n${lines.join('\n')}\n`))
    return file
  }

  test('replays a compressed file, and the rest of it when it is told where to go on', async () => {
    const file = await writeReadings('replayed', 200)
    const columns = [file, '--device', 'device', '--time', 'time']
    const refused = await run('replay', ...columns)
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /notFound: There is no device replayed-0/)
    const first = await json<{ nextRow: number }>('replay', ...columns, '--create', '--rows', '120')
    assert.equal(first.nextRow, 121)
    const { stdout } = await run('replay', ...columns, '--from-row', '121', '--batch', '7')
    assert.match(stdout, /Rows 80, messages sent 12, acknowledged 12, values 80/)
    await eventually(async () => (await countOf('replayed-0', 'value')) === 100)
    await eventually(async () => (await countOf('replayed-1', 'value')) === 100)
    const { items } = await server.client.devices.tokens('replayed-0')
    assert.equal(items.length, 1, 'the token of the second replay was revoked')
  })

  test('reads telemetry as table, CSV and JSON, raw and in buckets', async () => {
    const from = new Date(start).toISOString()
    const table = await run('telemetry', 'replayed-0', '--from', from, '--limit', '2')
    assert.match(table.stdout, /^METRIC +TIME +VALUE +QUALITY\nvalue +2026-01-01T00:00:00\S* +0 +good\n/)
    const csv = await run('telemetry', 'replayed-0', 'value', '--from', from, '--format', 'csv')
    assert.equal(csv.stdout.trim().split('\n').length, 101)
    const { metrics } = await json<{ metrics: { value: Point[] } }>('telemetry', 'replayed-0', '--from', from)
    assert.deepEqual(
      metrics.value.map(({ value }) => value),
      Array.from({ length: 100 }, (_, index) => 2 * index),
    )
    const hourly = await run('telemetry', 'replayed-0', '--from', from, '--every', '1h', '--fn', 'max,count')
    assert.match(
      hourly.stdout,
      /^METRIC +TIME +MAX +COUNT +GOOD +SUSPECT\nvalue +2026-01-01T00:00:00\S* +118 +60 /,
    )
    assert.match((await run('telemetry', 'replayed-0')).stdout, /No values there/)
  })

  test('shows what arrives as it arrives', async () => {
    const { token } = await server.client.devices.create({ id: 'tailed' })
    const child = spawn(
      process.execPath,
      [command, 'tail', 'tailed', '--types', 'points', '--count', '2', '--json'],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: {
          ...process.env,
          DROVER_URL: server.http,
          DROVER_KEY: server.adminKey,
          NODE_TEST_CONTEXT: undefined,
        },
      },
    )
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    const exited = once(child, 'exit')
    const device = createDevice({ url: server.mqtt, device: 'tailed', token })
    let n = 0
    await eventually(() => device.publish({ n: n++ }).then(() => output.includes('"n"')), { everyMs: 50 })
    while (child.exitCode === null) {
      await device.publish({ n: n++ })
      await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, 20))])
    }
    await device.close()
    assert.deepEqual(await exited, [0, null])
    const events = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as LiveEvent)
    assert.deepEqual(
      events.map(({ type }) => type),
      ['points', 'points'],
    )
  })

  test('runs a fleet with its history, of which the rogue one lands in quarantine', async () => {
    const args = ['simulate', '--devices', '20', '--backfill', '1', '--backfill-interval', '10m']
    const counts = await json<{ readings: number; acknowledged: number; failed: number }>(
      ...args,
      ...['--interval', '100ms', '--duration', '1s'],
    )
    assert.equal(counts.failed, 0)
    assert.equal(counts.acknowledged, counts.readings)
    assert.ok(counts.readings > 20 * 143)
    const { items } = await server.client.devices.list({ tag: 'rogue' })
    assert.equal(items.length, 1)
    await eventually(async () => {
      const page = await server.client.quarantine.list({ device: items[0]!.id })
      return page.items.length > 10
    })
    await eventually(async () => (await countOf('meter-01', 'power')) >= 143)
  })

  test('backs a running server up', async () => {
    const directory = join(folder, 'backup')
    const { stdout, stderr, code } = await run('backup', directory)
    assert.equal(code, 0, stderr)
    assert.match(stdout, /Backed up/)
    await using restored = await startServer({ dataDirectory: directory })
    assert.deepEqual(
      await storedPoints(restored.client, 'replayed-1', 'value'),
      await storedPoints(server.client, 'replayed-1', 'value'),
    )
    await restored.stop()
    assert.ok((await readdir(directory)).length > 0)
  })
})
