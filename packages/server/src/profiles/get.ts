import { DroverError, isIdentifier, type Profile } from '@drover/protocol'
import type { Actor } from '../access/actor.ts'
import type { RegistryTables } from '../registry/registry.ts'

/** Rejects with `badIdentifier`, `notFound`. */
export async function getProfile(
  { profiles }: Pick<RegistryTables, 'profiles'>,
  actor: Actor,
  id: string,
): Promise<Profile> {
  if (!isIdentifier(id)) throw new DroverError('badIdentifier', { id: JSON.stringify(id.slice(0, 200)) })
  const profile = await profiles.get(actor.tenant, id)
  if (!profile) throw new DroverError('notFound', { kind: 'profile', id })
  return profile
}
