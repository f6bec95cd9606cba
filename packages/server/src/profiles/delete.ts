import { DroverError } from '@drover/protocol'
import { type Actor, record } from '../access/actor.ts'
import type { DeviceContext } from '../devices/context.ts'
import { defaultProfile } from '../model/device.ts'
import { getProfile } from './get.ts'

/** Rejects with `badIdentifier`, `notFound`, `inUse` while devices have it, `forbidden` for `default`. */
export async function deleteProfile(
  { registry, clock, storage }: DeviceContext,
  actor: Actor,
  id: string,
): Promise<void> {
  if (id === defaultProfile)
    throw new DroverError('forbidden', { reason: 'the profile `default` is always there' })
  const atMicros = clock.nowMicros()
  await registry.transaction(async (tables) => {
    await getProfile(tables, actor, id)
    const devices = await tables.profiles.deviceCount(actor.tenant, id)
    if (devices > 0) {
      const by = devices === 1 ? '1 device' : `${devices} devices`
      throw new DroverError('inUse', { kind: 'profile', id, by })
    }
    await tables.profiles.delete(actor.tenant, id)
    await tables.audit.add(record(actor, 'profile.delete', id), atMicros)
  })
  await storage.profileChanged(actor.tenant, id)
}
