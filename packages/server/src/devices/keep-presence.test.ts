import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KeptPresence, PresenceToKeep } from '../gateway/presence.ts'
import { newDevice } from '../registry/registry.contract.ts'
import { openRegistry } from '../registry/registry.ts'
import { keepPresence } from './keep-presence.ts'

test('what cannot be kept is tried again after a minute, and at the end', async () => {
  const registry = await openRegistry({ path: ':memory:', nowMicros: () => 1 })
  const deviceUid = (await registry.devices.insert(1, [newDevice('one')], 1)).get('one')!
  const presence: KeptPresence = { deviceUid, sinceMs: 1, lastSeenMs: 2, reason: undefined }
  const changes: KeptPresence[] = []
  const directory: PresenceToKeep = {
    async keepChanges(keep) {
      const [first] = changes
      if (!first) return 0
      await keep([first])
      changes.shift()
      return 1
    },
  }
  let second = () => {}
  let full = true
  const errors: string[] = []
  const keeping = keepPresence({
    directory,
    registry: {
      transaction: (work) => (full ? Promise.reject(new Error('full')) : registry.transaction(work)),
    },
    clock: {
      every(_, task) {
        second = task
        return () => {}
      },
    },
    onError: ({ message }) => errors.push(message),
  })
  const seconds = async (count: number) => {
    for (let n = 0; n < count; n++) {
      second()
      await new Promise(setImmediate)
    }
  }
  changes.push(presence)
  await seconds(60)
  assert.deepEqual(errors, ['full'])
  full = false
  await seconds(1)
  assert.deepEqual(await registry.connections.all(), [])
  await seconds(1)
  assert.deepEqual(await registry.connections.all(), [presence])
  changes.push({ ...presence, sinceMs: 3 }, { ...presence, sinceMs: 4 })
  await keeping.close()
  assert.deepEqual(await registry.connections.all(), [{ ...presence, sinceMs: 4 }])
  await registry.close()
})
