import type { Page, Profile } from '@drover/protocol'
import type { Actor } from '../access/actor.ts'
import { formatCursor, parseCursor } from '../model/cursor.ts'
import { pageOf } from '../model/list.ts'
import type { RegistryTables } from '../registry/registry.ts'

/** Profiles in the order of their ids. Rejects with `badCursor`. */
export async function listProfiles(
  { profiles }: Pick<RegistryTables, 'profiles'>,
  actor: Actor,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string },
): Promise<Page<Profile>> {
  const after = cursor === undefined ? '' : parseCursor('profiles', ['string'], cursor)[0]
  const rows = await profiles.list(actor.tenant, limit + 1, after)
  return pageOf(
    rows,
    limit,
    (profile) => profile,
    ({ id }) => formatCursor('profiles', [id]),
  )
}
