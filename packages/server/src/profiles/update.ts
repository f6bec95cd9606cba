import type { Profile, ProfilePatch } from '@drover/protocol'
import { type Actor, record } from '../access/actor.ts'
import type { DeviceContext } from '../devices/context.ts'
import { patchDefinition } from '../model/profile.ts'
import { getProfile } from './get.ts'

/** Rejects with `badIdentifier`, `notFound`, `badRequest` when its ranges are not sound. */
export async function updateProfile(
  { registry, clock, storage }: DeviceContext,
  actor: Actor,
  id: string,
  patch: ProfilePatch,
): Promise<Profile> {
  const atMicros = clock.nowMicros()
  const profile = await registry.transaction(async (tables) => {
    const definition = patchDefinition(await getProfile(tables, actor, id), patch)
    await tables.profiles.update(actor.tenant, id, definition, atMicros)
    const details = { fields: Object.keys(patch).join(' ') }
    await tables.audit.add(record(actor, 'profile.update', id, details), atMicros)
    return getProfile(tables, actor, id)
  })
  await storage.profileChanged(actor.tenant, id)
  return profile
}
