import type { Page, Profile, ProfileInput, ProfilePatch } from '@drover/protocol'
import type { PageQuery } from './devices.ts'
import type { Http } from './http.ts'

export function createProfiles({ request }: Http) {
  const at = (id: string) => `/profiles/${encodeURIComponent(id)}`
  return {
    list: (query: PageQuery = {}, signal?: AbortSignal) =>
      request<Page<Profile>>('GET', '/profiles', { query: { ...query }, signal }),
    get: (id: string, signal?: AbortSignal) => request<Profile>('GET', at(id), { signal }),
    create: (profile: ProfileInput) => request<Profile>('POST', '/profiles', { json: profile }),
    update: (id: string, patch: ProfilePatch) => request<Profile>('PATCH', at(id), { json: patch }),
    /** Refused with `inUse` while a device has it. */
    delete: (id: string) => request<void>('DELETE', at(id)),
  }
}
