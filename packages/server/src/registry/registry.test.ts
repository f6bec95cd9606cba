import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { openDeviceProfiles } from './device-profiles.ts'
import { newDevice, registryContract } from './registry.contract.ts'
import { openRegistry } from './registry.ts'

const nowMicros = () => 1_700_000_000_000_000
let directory = ''
let files = 0
const newPath = () => join(directory, `registry-${files++}.db`)

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'drover-registry-'))
})
after(() => rm(directory, { recursive: true }))

registryContract('registry in memory', () => openRegistry({ path: ':memory:', nowMicros }))
registryContract('registry in a file', () => openRegistry({ path: newPath(), nowMicros }))

describe('registry in a file', () => {
  it('is there again after a restart, uids and identity included', async () => {
    const path = newPath()
    const first = await openRegistry({ path, nowMicros })
    const uids = await first.devices.insert(1, [newDevice('one')], 1)
    await first.devices.delete(uids.get('one')!, 1)
    await first.close()
    const second = await openRegistry({ path, nowMicros })
    assert.equal(second.instance, first.instance)
    assert.deepEqual(await second.devices.pendingDeletions(), [...uids.values()])
    const again = await second.devices.insert(1, [newDevice('one')], 1)
    assert.ok(again.get('one')! > uids.get('one')!)
    await second.close()
  })

  it('is read by another connection while it is written', async () => {
    const path = newPath()
    const registry = await openRegistry({ path, nowMicros })
    const reader = await openDeviceProfiles({ path })
    const uid = (await registry.devices.insert(1, [newDevice('one')], 1)).get('one')!
    assert.equal((await reader.load([uid])).get(uid)?.deviceId, 'one')
    await registry.devices.delete(uid, 1)
    assert.equal((await reader.load([uid])).size, 0)
    await reader.close()
    await registry.close()
  })

  it('is refused with its path when it is no database', async () => {
    const path = newPath()
    await writeFile(path, 'x'.repeat(8_192))
    await assert.rejects(openRegistry({ path, nowMicros }), (error) => {
      assert.ok(isDroverError(error, 'corruptData'))
      assert.ok(error.message.includes(path))
      return true
    })
  })

  it('is copied while it is open', async () => {
    const registry = await openRegistry({ path: newPath(), nowMicros })
    await registry.devices.insert(1, [newDevice('one')], 1)
    const copyPath = newPath()
    await registry.backup(copyPath)
    const copy = await openRegistry({ path: copyPath, nowMicros })
    assert.equal((await copy.devices.get(1, 'one'))?.id, 'one')
    await copy.close()
    await registry.close()
  })
})
