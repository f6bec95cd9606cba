import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectSocket, createServer, type Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { Client } from 'pg'
import { startPostgres } from '../../../../tests/support/services/postgres.ts'
import type { Service } from '../../../../tests/support/services/service.ts'
import { eventually } from '../../../../tests/support/wait.ts'
import type { RegistryChange } from './changes.ts'
import { openPostgresDeviceProfiles, openPostgresRegistry } from './postgres.ts'
import { newDevice, registryContract } from './registry.contract.ts'
import type { Registry } from './registry.ts'

const nowMicros = () => 1_700_000_000_000_000
let service: Service
let databases = 0

before(async () => {
  service = await startPostgres()
})
after(() => service[Symbol.asyncDispose]())

async function ask<Row extends object>(url: string, query: string): Promise<Row[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Row>(query)).rows
  } finally {
    await client.end()
  }
}

/** The address of a database with nothing in it. */
async function emptyDatabase(options = ''): Promise<string> {
  const name = `registry_${databases++}`
  await ask(service.url, `create database ${name} ${options}`)
  return withPath(service.url, name)
}

function withPath(address: string, name: string): string {
  const url = new URL(address)
  url.pathname = `/${name}`
  return url.href
}

const open = (url: string) => openPostgresRegistry({ url, nowMicros })

async function usingTwo(work: (one: Registry, two: Registry, url: string) => Promise<void>): Promise<void> {
  const url = await emptyDatabase()
  // At once, as processes that are started together do: one of them makes the tables.
  const [one, two] = await Promise.all([open(url), open(url)])
  try {
    await work(one, two, url)
  } finally {
    await Promise.all([one.close(), two.close()])
  }
}

/** What one of them hears from now on. */
function heardBy(registry: Registry): RegistryChange[] {
  const heard: RegistryChange[] = []
  registry.onChange((change) => heard.push(change))
  return heard
}

registryContract('registry in PostgreSQL', async () => open(await emptyDatabase()))

describe('registry in PostgreSQL, opened by several', () => {
  it('is one registry, migrated once', () =>
    usingTwo(async (one, two, url) => {
      assert.equal(one.instance, two.instance)
      const migrations = await ask<{ name: string }>(url, 'select name from kysely_migration order by name')
      assert.deepEqual(
        migrations.map(({ name }) => name),
        ['001-devices', '002-access', '003-connections'],
      )
    }))

  it('loses no change of those who change the same', () =>
    usingTwo(async (one, two) => {
      await one.devices.insert(1, [newDevice('one')], 1)
      const countUp = (registry: Registry) =>
        registry.transaction(async ({ devices }) => {
          const device = (await devices.get(1, 'one'))!
          await devices.update({ ...device, name: `${Number(device.name) + 1}` }, null, 1)
        })
      await Promise.all([one, two].flatMap((registry) => Array.from({ length: 20 }, () => countUp(registry))))
      assert.equal((await two.devices.get(1, 'one'))?.name, '40')
    }))

  it('tells each what the others have changed, once, and nothing of what was undone', () =>
    usingTwo(async (one, two) => {
      const [heardByOne, heardByTwo] = [heardBy(one), heardBy(two)]
      const undone = one.transaction(async ({ devices }) => {
        await devices.insert(1, [newDevice('undone')], 1)
        throw new Error('changed my mind')
      })
      await assert.rejects(undone, /changed my mind/)
      const ids = Array.from({ length: 100 }, (_, n) => `device-${n}`)
      const uids = await one.devices.insert(
        1,
        ids.map((id) => newDevice(id)),
        1,
      )
      await one.transaction(async ({ devices }) => {
        for (const uid of uids.values()) await devices.delete(uid, 1)
      })
      const expected: RegistryChange[] = [
        { kind: 'devicesAdded' },
        ...[...uids.values()].map((deviceUid) => ({ kind: 'deviceChanged', deviceUid }) as const),
      ]
      await eventually(() => heardByTwo.length >= expected.length)
      assert.deepEqual(heardByTwo, expected)
      assert.deepEqual(heardByOne, expected)
    }))

  it('names devices as another has left them', () =>
    usingTwo(async (one, two) => {
      const ids = async () => (await two.devices.names(1, {}, 10)).map(({ id }) => id)
      assert.deepEqual(await ids(), [])
      const heard = heardBy(two)
      await one.devices.insert(1, [newDevice('one')], 1)
      await eventually(() => heard.length > 0)
      assert.deepEqual(await ids(), ['one'])
    }))

  it('is not held up for long by one that stands still in the middle of a transaction', () =>
    usingTwo(async (one, two) => {
      const { promise: resumed, resolve: resume } = Promise.withResolvers<void>()
      const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
      const standing = one.transaction(async ({ devices }) => {
        await devices.insert(1, [newDevice('lost')], 1)
        begin()
        await resumed
      })
      await begun
      await two.devices.insert(1, [newDevice('one')], 1)
      resume()
      await assert.rejects(standing, (e) => isDroverError(e, 'registryUnavailable'))
      await one.devices.insert(1, [newDevice('two')], 1)
      assert.deepEqual(
        (await two.devices.list(1, {}, 10)).map(({ id }) => id),
        ['one', 'two'],
      )
    }))

  it('is read by processing', () =>
    usingTwo(async (one, _, url) => {
      const uid = (await one.devices.insert(1, [newDevice('one')], 1)).get('one')!
      const reader = await openPostgresDeviceProfiles({ url })
      assert.equal((await reader.load([uid])).get(uid)?.deviceId, 'one')
      await reader.close()
    }))
})

describe('registry in PostgreSQL, when it is away', () => {
  it('is unavailable, comes back by itself, and says that changes were missed', () =>
    usingTwo(async (one, two) => {
      await one.devices.names(1, {}, 10)
      const heard = heardBy(one)
      await service.kill()
      await assert.rejects(one.devices.get(1, 'one'), (e) => isDroverError(e, 'registryUnavailable'))
      const writing = one.devices.insert(1, [newDevice('one')], 1)
      await assert.rejects(writing, (e) => isDroverError(e, 'registryUnavailable'))
      await assert.rejects(open(service.url), (e) => isDroverError(e, 'registryUnavailable'))
      await service.restart()
      await two.devices.insert(1, [newDevice('two')], 1)
      assert.deepEqual(
        (await one.devices.names(1, {}, 10)).map(({ id }) => id),
        ['two'],
      )
      await eventually(() => heard.some(({ kind }) => kind === 'missed'))
    }))

  it('does not wait for a connection that is cut without being closed', async () => {
    const url = await emptyDatabase()
    await using way = await cuttableWay(Number(new URL(url).port))
    const throughWay = new URL(url)
    throughWay.port = String(way.port)
    const [one, two] = await Promise.all([open(throughWay.href), open(url)])
    try {
      const heard = heardBy(one)
      way.cut()
      await two.devices.insert(1, [newDevice('two')], 1)
      await eventually(() => way.connections() > 0, { deadlineMs: 30_000 })
      await eventually(() => heard.length > 0, { deadlineMs: 30_000 })
      assert.deepEqual(heard, [{ kind: 'missed' }])
    } finally {
      await Promise.all([one.close(), two.close()])
    }
  })
})

describe('registry in PostgreSQL, refused', () => {
  it('when there is no such database, user or password', async () => {
    const wrong = new URL(service.url)
    wrong.password = 'wrong'
    for (const url of [withPath(service.url, 'nowhere'), wrong.href, 'postgres://[']) {
      await assert.rejects(open(url), (error: Error) => {
        assert.ok(isDroverError(error, 'badConfiguration'), String(error))
        assert.ok(!error.message.includes('wrong'), error.message)
        return true
      })
    }
  })

  it('when the database could not hold every name', async () => {
    const url = await emptyDatabase("encoding 'LATIN1' locale 'C' template template0")
    await assert.rejects(
      open(url),
      (e: Error) => isDroverError(e, 'badConfiguration') && /LATIN1/.test(e.message),
    )
  })

  it('when it is of a newer Drover', () =>
    usingTwo(async (_, __, url) => {
      await ask(url, "insert into kysely_migration values ('999-later', '2100-01-01T00:00:00Z')")
      const isNewer = (e: Error) => isDroverError(e, 'badConfiguration') && /newer/.test(e.message)
      await assert.rejects(open(url), isNewer)
    }))

  it('to keep a text that PostgreSQL cannot', () =>
    usingTwo(async ({ devices }) => {
      const isBadRequest = (e: Error) => isDroverError(e, 'badRequest') && /U\+0000/.test(e.message)
      await assert.rejects(devices.insert(1, [newDevice('one', { name: 'a\0' })], 1), isBadRequest)
      await assert.rejects(devices.list(1, { words: ['a\0'] }, 10), isBadRequest)
    }))

  it('to be copied into a file', () =>
    usingTwo(async (one) => {
      await assert.rejects(
        one.backup('/nowhere'),
        (e: Error) => isDroverError(e, 'badRequest') && /pg_dump/.test(e.message),
      )
    }))
})

/** A way to the server whose open connections can go silent, as when packets are dropped; new ones get through. */
async function cuttableWay(to: number) {
  const pairs = new Set<readonly [Socket, Socket]>()
  const server = createServer((near) => {
    const far = connectSocket(to, '127.0.0.1')
    const pair = [near, far] as const
    pairs.add(pair)
    for (const [from, into] of [pair, [far, near] as const]) {
      from.pipe(into)
      from.on('error', () => into.destroy()).on('close', () => into.destroy())
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cutOnes = new Set<readonly [Socket, Socket]>()
  return {
    port: (server.address() as { port: number }).port,
    /** Those that are open and not cut. */
    connections: () => [...pairs].filter((pair) => !cutOnes.has(pair)).length,
    cut() {
      for (const pair of pairs) {
        cutOnes.add(pair)
        for (const socket of pair) socket.unpipe().pause()
      }
    },
    async [Symbol.asyncDispose]() {
      server.close()
      for (const [near, far] of pairs) {
        near.destroy()
        far.destroy()
      }
    },
  }
}
