import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defaultTenant, type NewDevice } from '../model/device.ts'
import { checkDefinition } from '../model/profile.ts'
import type { RegistryChange } from './changes.ts'
import type { Registry } from './registry.ts'

const at = 1_700_000_000_000_000
const definition = checkDefinition({
  description: 'd',
  metrics: { t: { type: 'number', min: -40, max: 85 } },
  unknownMetrics: 'quarantine',
  oldestTime: 0,
  aheadSecondsMax: 60,
})

export function newDevice(id: string, more: Partial<NewDevice> = {}): NewDevice {
  return {
    id,
    profile: 'default',
    name: '',
    tags: [],
    location: null,
    parentUid: null,
    state: 'active',
    ...more,
  }
}

/** What every engine of the registry must do. `open` gives an empty one; the suite closes it. */
export function registryContract(name: string, open: () => Promise<Registry>): void {
  const using = (work: (registry: Registry) => Promise<void>) => async () => {
    const registry = await open()
    try {
      await work(registry)
    } finally {
      await registry.close()
    }
  }
  const insert = async (registry: Registry, ...devices: NewDevice[]) => {
    const uids = await registry.devices.insert(defaultTenant, devices, at)
    return devices.map(({ id }) => uids.get(id)!)
  }

  describe(`${name}: profiles`, () => {
    it(
      'has `default` from the start, which accepts any metric',
      using(async ({ profiles }) => {
        const profile = await profiles.get(defaultTenant, 'default')
        assert.deepEqual(profile?.metrics, {})
        assert.equal(profile?.unknownMetrics, 'accept')
      }),
    )

    it(
      'keeps what it is given, in the order of ids, each id once',
      using(async ({ profiles }) => {
        assert.equal(await profiles.insert(defaultTenant, 'a', definition, at), true)
        assert.equal(await profiles.insert(defaultTenant, 'a', { ...definition, description: '' }, at), false)
        await profiles.insert(defaultTenant, 'B', definition, at)
        const listed = await profiles.list(defaultTenant, 10)
        assert.deepEqual(
          listed.map(({ id }) => id),
          ['B', 'a', 'default'],
        )
        assert.deepEqual((await profiles.list(defaultTenant, 1, 'B'))[0], listed[1])
        assert.deepEqual(listed[1], {
          id: 'a',
          ...definition,
          createdAt: '2023-11-14T22:13:20.000Z',
          updatedAt: '2023-11-14T22:13:20.000Z',
        })
        assert.deepEqual(await profiles.existing(defaultTenant, ['a', 'x']), new Set(['a']))
      }),
    )

    it(
      'cannot be deleted below a device',
      using(async (registry) => {
        await registry.profiles.insert(defaultTenant, 'a', definition, at)
        const [uid] = await insert(registry, newDevice('one', { profile: 'a' }))
        assert.equal(await registry.profiles.deviceCount(defaultTenant, 'a'), 1)
        await assert.rejects(registry.profiles.delete(defaultTenant, 'a'))
        await registry.devices.delete(uid!, at)
        assert.equal(await registry.profiles.delete(defaultTenant, 'a'), true)
        assert.equal(await registry.profiles.delete(defaultTenant, 'a'), false)
      }),
    )
  })

  describe(`${name}: devices`, () => {
    it(
      'keeps what it is given',
      using(async (registry) => {
        const location = { latitude: 52.5, longitude: 13.4, elevation: 34 }
        const [parentUid] = await insert(registry, newDevice('gateway'))
        const more = {
          name: 'Öl',
          tags: ['b', 'a', 'b'],
          location,
          parentUid: parentUid!,
          state: 'suspended',
        }
        const [uid] = await insert(registry, newDevice('one', more as Partial<NewDevice>))
        assert.deepEqual(await registry.devices.get(defaultTenant, 'one'), {
          uid,
          tenant: defaultTenant,
          id: 'one',
          profile: 'default',
          name: 'Öl',
          tags: ['a', 'b'],
          location,
          parent: 'gateway',
          state: 'suspended',
          createdAtMicros: at,
          updatedAtMicros: at,
        })
      }),
    )

    it(
      'changes, and outlives its gateway',
      using(async (registry) => {
        const [gateway] = await insert(registry, newDevice('gateway'), newDevice('one', { tags: ['x'] }))
        const before = (await registry.devices.get(defaultTenant, 'one'))!
        const changed = { ...before, name: 'n', tags: ['y'], parent: 'gateway', updatedAtMicros: at + 1 }
        await registry.devices.update(changed, gateway!, at + 1)
        assert.deepEqual(await registry.devices.get(defaultTenant, 'one'), changed)
        await registry.devices.delete(gateway!, at)
        assert.equal((await registry.devices.get(defaultTenant, 'one'))?.parent, null)
      }),
    )

    it(
      'never gives a uid twice, not even the last one of a deleted device',
      using(async (registry) => {
        const [first] = await insert(registry, newDevice('one'))
        await registry.devices.delete(first!, at)
        assert.equal(await registry.devices.get(defaultTenant, 'one'), undefined)
        const [second] = await insert(registry, newDevice('one'))
        assert.ok(second! > first!)
      }),
    )

    it(
      'remembers deletions until the store knows of them',
      using(async (registry) => {
        const [one, two] = await insert(registry, newDevice('one'), newDevice('two'))
        await registry.devices.delete(one!, at)
        await registry.devices.delete(two!, at)
        await registry.devices.deletionDone(one!)
        assert.deepEqual(await registry.devices.pendingDeletions(), [two])
      }),
    )

    it(
      'refuses an id that is in use, and keeps nothing of that call',
      using(async (registry) => {
        await insert(registry, newDevice('one'))
        await assert.rejects(
          registry.transaction((tables) =>
            tables.devices.insert(defaultTenant, [newDevice('two'), newDevice('one')], at),
          ),
        )
        assert.equal(await registry.devices.count(defaultTenant), 1)
      }),
    )

    it(
      'finds by words, profile, tag and state, page by page',
      using(async (registry) => {
        await registry.profiles.insert(defaultTenant, 'p', definition, at)
        await insert(
          registry,
          newDevice('a_1', { name: 'North Hall', tags: ['roof'] }),
          newDevice('a%2', { name: 'South hall', profile: 'p' }),
          newDevice('ab3', { tags: ['roof', 'old'], state: 'suspended' }),
        )
        const ids = async (filter: Parameters<Registry['devices']['list']>[1], limit = 10, after = '') =>
          (await registry.devices.list(defaultTenant, filter, limit, after)).map(({ id }) => id)
        assert.deepEqual(await ids({}), ['a%2', 'a_1', 'ab3'])
        assert.deepEqual(await ids({}, 1, 'a%2'), ['a_1'])
        assert.deepEqual(await ids({ words: ['HALL', 'nor'] }), ['a_1'])
        assert.deepEqual(await ids({ words: ['a_'] }), ['a_1'])
        assert.deepEqual(await ids({ words: ['a%'] }), ['a%2'])
        assert.deepEqual(await ids({ profile: 'p' }), ['a%2'])
        assert.deepEqual(await ids({ tag: 'roof', state: 'active' }), ['a_1'])
        assert.deepEqual(await ids({ ids: ['ab3', 'x'] }), ['ab3'])
        assert.deepEqual(await registry.devices.list(2, {}, 10), [])
        assert.equal((await registry.devices.names(defaultTenant, { tag: 'roof' }, 1)).length, 1)
      }),
    )

    it(
      'names devices as they are now, however often it was asked before',
      using(async (registry) => {
        const { devices } = registry
        await registry.profiles.insert(defaultTenant, 'p', definition, at)
        const [first, two] = await insert(registry, newDevice('one', { tags: ['roof'] }), newDevice('two'))
        const uids = async (filter: Parameters<Registry['devices']['names']>[1], tenant = defaultTenant) =>
          (await devices.names(tenant, filter, 10)).map(({ uid }) => uid)
        const filters = [{ ids: ['one', 'two'] }, { tag: 'roof' }, { profile: 'p' }]
        const all = () => Promise.all(filters.map((filter) => uids(filter)))
        assert.deepEqual(await all(), [[first, two], [first], []])
        assert.deepEqual(await uids(filters[0]!, 2), [])

        const { tags: _, ...unchanged } = (await devices.get(defaultTenant, 'two'))!
        await devices.update({ ...unchanged, tags: ['roof'], profile: 'p' }, null, at)
        assert.deepEqual(await all(), [[first, two], [first, two], [two]])

        await Promise.all([all(), devices.delete(first!, at), all()])
        assert.deepEqual(await all(), [[two], [two], [two]])

        const [second] = await insert(registry, newDevice('one'))
        assert.deepEqual(await all(), [[second, two], [two], [two]])
      }),
    )

    it(
      'names devices as a transaction leaves them',
      using(async (registry) => {
        const [uid] = await insert(registry, newDevice('one'))
        const ids = async (tables: Pick<Registry, 'devices'>) =>
          (await tables.devices.names(defaultTenant, {}, 10)).map(({ id }) => id)
        assert.deepEqual(await ids(registry), ['one'])
        const failed = registry.transaction(async (tables) => {
          await tables.devices.delete(uid!, at)
          await tables.devices.insert(defaultTenant, [newDevice('two')], at)
          assert.deepEqual(await ids(tables), ['two'])
          throw new Error('changed my mind')
        })
        await assert.rejects(failed, /changed my mind/)
        assert.deepEqual(await ids(registry), ['one'])
        await registry.transaction(async (tables) => {
          await tables.devices.delete(uid!, at)
          assert.deepEqual(await ids(tables), [])
        })
        assert.deepEqual(await ids(registry), [])
      }),
    )

    it(
      'takes 20,000 with their tokens in one transaction within two seconds',
      using(async (registry) => {
        const devices = Array.from({ length: 20_000 }, (_, at) => newDevice(`device-${at}`, { tags: ['t'] }))
        const startedAt = performance.now()
        const uids = await registry.transaction(async (tables) => {
          const uids = await tables.devices.insert(defaultTenant, devices, at)
          const tokens = [...uids].map(([id, deviceUid]) => ({
            keyId: id,
            deviceUid,
            hash: new Uint8Array(32),
          }))
          await tables.tokens.insert(tokens, at)
          return uids
        })
        const elapsedMs = performance.now() - startedAt
        assert.equal(new Set(uids.values()).size, devices.length)
        assert.equal((await registry.devices.get(defaultTenant, 'device-777'))?.uid, uids.get('device-777'))
        assert.equal(await registry.devices.count(defaultTenant), devices.length)
        assert.ok(elapsedMs < 2_000, `${elapsedMs} ms`)
      }),
    )
  })

  describe(`${name}: access`, () => {
    it(
      'knows who holds a token until it is revoked',
      using(async (registry) => {
        const [deviceUid] = await insert(registry, newDevice('one'))
        const hash = Uint8Array.from({ length: 32 }, (_, index) => index)
        await registry.tokens.insert([{ keyId: 'k', deviceUid: deviceUid!, hash }], at)
        const { hash: kept, ...holder } = (await registry.tokens.holder('k'))!
        assert.deepEqual(Uint8Array.from(kept), hash)
        assert.deepEqual({ ...holder }, { tenant: 1, deviceUid, deviceId: 'one', state: 'active' })
        await registry.tokens.used(new Map([['k', at + 5]]))
        assert.deepEqual(
          (await registry.tokens.list(deviceUid!)).map((row) => ({ ...row })),
          [{ keyId: 'k', createdAtMicros: at, lastUsedAtMicros: at + 5 }],
        )
        assert.equal(await registry.tokens.revoke(deviceUid! + 1, 'k', at), false)
        assert.equal(await registry.tokens.revoke(deviceUid!, 'k', at), true)
        assert.equal(await registry.tokens.revoke(deviceUid!, 'k', at), false)
        assert.equal(await registry.tokens.holder('k'), undefined)
        assert.deepEqual(await registry.tokens.list(deviceUid!), [])
      }),
    )

    it(
      'forgets the tokens of a deleted device',
      using(async (registry) => {
        const [deviceUid] = await insert(registry, newDevice('one'))
        await registry.tokens.insert([{ keyId: 'k', deviceUid: deviceUid!, hash: new Uint8Array(32) }], at)
        await registry.devices.delete(deviceUid!, at)
        assert.equal(await registry.tokens.holder('k'), undefined)
      }),
    )

    it(
      'keeps one administrator key of a name',
      using(async ({ adminKeys }) => {
        const [old, fresh] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
        assert.equal(await adminKeys.put(1, 'file', old, at), true)
        assert.equal(await adminKeys.put(1, 'file', old, at), false)
        assert.equal(await adminKeys.put(1, 'file', fresh, at), true)
        assert.equal(await adminKeys.find(old), undefined)
        assert.equal((await adminKeys.find(fresh))?.name, 'file')
      }),
    )

    it(
      'keeps so many console sessions, the newest',
      using(async ({ consoleSessions }) => {
        const hashes = [1, 2, 3, 4].map((byte) => new Uint8Array(32).fill(byte))
        await consoleSessions.insert(1, hashes[0]!, at, at + 10, 2)
        await consoleSessions.insert(1, hashes[1]!, at + 20, at + 100, 2)
        await consoleSessions.insert(1, hashes[2]!, at + 21, at + 100, 2)
        await consoleSessions.insert(1, hashes[3]!, at + 22, at + 100, 2)
        const found = await Promise.all(hashes.map((hash) => consoleSessions.find(hash)))
        assert.deepEqual(
          found.map((session) => session?.expiresAtMicros),
          [undefined, undefined, at + 100, at + 100],
        )
        await consoleSessions.delete(hashes[3]!)
        assert.equal(await consoleSessions.find(hashes[3]!), undefined)
        await consoleSessions.deleteAll(1)
        assert.equal(await consoleSessions.find(hashes[2]!), undefined)
      }),
    )

    it(
      'keeps in the audit log what anybody claims',
      using(async ({ audit }) => {
        const record = {
          tenant: 1,
          actor: 'unknown',
          address: null,
          action: 'test',
          details: { claimed: 'a\0' },
        }
        await audit.add({ ...record, subject: 'a\0b' }, at)
        const [row] = await audit.list(1, 1)
        assert.equal(row?.subject, 'a\ufffdb')
        assert.deepEqual(row?.details, { claimed: 'a\0' })
      }),
    )

    it(
      'lists the audit log from its newest row, and trims it from its oldest',
      using(async ({ audit }) => {
        const record = { tenant: 1, actor: 'system', address: null, action: 'test', details: { n: 1 } }
        for (const subject of ['a', 'b', 'c']) await audit.add({ ...record, subject }, at)
        const rows = await audit.list(1, 2)
        assert.deepEqual(
          rows.map(({ subject }) => subject),
          ['c', 'b'],
        )
        assert.deepEqual(rows[0]!.details, { n: 1 })
        assert.equal((await audit.list(1, 2, rows[1]!.id))[0]?.subject, 'a')
        await audit.trim(1)
        assert.equal((await audit.list(1, 10)).length, 1)
      }),
    )
  })

  describe(`${name}: changes`, () => {
    it(
      'are told to who listens once they are committed, before who made them is answered',
      using(async (registry) => {
        const heard: RegistryChange[] = []
        const stop = registry.onChange((change) => heard.push(change))
        const [uid] = await insert(registry, newDevice('one'))
        await registry.transaction(async (tables) => {
          await tables.profiles.insert(defaultTenant, 'p', definition, at)
          const hash = new Uint8Array(32)
          await tables.tokens.insert([{ keyId: 'k', deviceUid: uid!, hash }], at)
          await tables.tokens.revoke(uid!, 'k', at)
          assert.deepEqual(heard, [{ kind: 'devicesAdded' }])
        })
        await registry.devices.delete(uid!, at)
        const all: RegistryChange[] = [
          { kind: 'devicesAdded' },
          { kind: 'profileChanged', tenant: defaultTenant, profile: 'p' },
          { kind: 'tokenRevoked', keyId: 'k' },
          { kind: 'deviceChanged', deviceUid: uid! },
        ]
        assert.deepEqual(heard, all)
        stop()
        await insert(registry, newDevice('two'))
        assert.deepEqual(heard, all)
      }),
    )

    it(
      'are not told when they are undone',
      using(async (registry) => {
        const heard: RegistryChange[] = []
        registry.onChange((change) => heard.push(change))
        const failed = registry.transaction(async (tables) => {
          await tables.devices.insert(defaultTenant, [newDevice('one')], at)
          throw new Error('changed my mind')
        })
        await assert.rejects(failed, /changed my mind/)
        assert.deepEqual(heard, [])
      }),
    )

    it(
      'of many at a time are none the less one after another',
      using(async (registry) => {
        await insert(registry, newDevice('one'))
        const countUp = () =>
          registry.transaction(async ({ devices }) => {
            const device = (await devices.get(defaultTenant, 'one'))!
            await devices.update({ ...device, name: `${Number(device.name) + 1}` }, null, at)
          })
        await Promise.all(Array.from({ length: 20 }, countUp))
        assert.equal((await registry.devices.get(defaultTenant, 'one'))?.name, '20')
      }),
    )
  })

  describe(`${name}: connections`, () => {
    it(
      'keeps the newest of each device, of thousands at once, until the device is gone',
      using(async (registry) => {
        const { connections, devices } = registry
        const uids = await insert(registry, ...Array.from({ length: 1_200 }, (_, n) => newDevice(`d${n}`)))
        const never = { deviceUid: uids[0]!, sinceMs: 0, lastSeenMs: 1_000, reason: undefined }
        const online = uids.map((deviceUid) => ({ ...never, deviceUid, sinceMs: 2_000 }))
        await connections.put([])
        await connections.put(online)
        const lost = { ...online[1]!, sinceMs: 3_000, reason: 'connectionLost' } as const
        await connections.put([never, lost])
        const byUid = new Map((await connections.all()).map((each) => [each.deviceUid, each]))
        assert.deepEqual([...byUid.values()], [never, lost, ...online.slice(2)])
        await devices.delete(uids[1]!, at)
        await connections.put([lost, { ...online[2]!, lastSeenMs: 4_000 }])
        const left = await connections.all()
        assert.equal(left.length, uids.length - 1)
        assert.equal(left[1]!.lastSeenMs, 4_000)
      }),
    )
  })

  describe(`${name}: what processing asks`, () => {
    it(
      'gives profiles by device, without devices that are gone',
      using(async (registry) => {
        await registry.profiles.insert(defaultTenant, 'p', definition, at)
        const uids = await insert(
          registry,
          ...Array.from({ length: 300 }, (_, n) => newDevice(`d${n}`, { profile: n % 2 ? 'p' : 'default' })),
        )
        await registry.devices.delete(uids[0]!, at)
        const loaded = await registry.deviceProfiles.load([...uids, 999_999])
        assert.equal(loaded.size, 299)
        assert.equal(loaded.get(uids[1]!)?.deviceId, 'd1')
        assert.equal(loaded.get(uids[1]!)?.profile.metrics.t?.max, 85)
        assert.equal(loaded.get(uids[2]!)?.profile.id, 'default')
        assert.deepEqual(await registry.deviceProfiles.load([]), new Map())
      }),
    )
  })
}
