import { DroverError, type Profile, type profileInputSchema } from '@drover/protocol'
import type { z } from 'zod'
import { type Actor, record } from '../access/actor.ts'
import type { DeviceContext } from '../devices/context.ts'
import { checkDefinition } from '../model/profile.ts'

/** Rejects with `alreadyExists`, `badRequest` when its ranges are not sound. */
export async function createProfile(
  { registry, clock, storage }: DeviceContext,
  actor: Actor,
  { id, ...fields }: z.output<typeof profileInputSchema>,
): Promise<Profile> {
  const definition = checkDefinition(fields)
  const atMicros = clock.nowMicros()
  const profile = await registry.transaction(async ({ profiles, audit }) => {
    if (!(await profiles.insert(actor.tenant, id, definition, atMicros)))
      throw new DroverError('alreadyExists', { kind: 'profile', id })
    await audit.add(record(actor, 'profile.create', id), atMicros)
    return (await profiles.get(actor.tenant, id))!
  })
  await storage.profileChanged(actor.tenant, id)
  return profile
}
