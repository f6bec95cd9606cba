import type { Generated } from 'kysely'

/** The tables of the registry. Times are µs since 1970; booleans do not occur; JSON is text. */
export interface Tables {
  tenants: { id: number; name: string }
  meta: { name: string; value: string }
  profiles: {
    tenant: number
    id: string
    /** JSON of the model's ProfileDefinition. */
    definition: string
    created_at: number
    updated_at: number
  }
  devices: {
    uid: Generated<number>
    tenant: number
    id: string
    profile: string
    name: string
    state: string
    /** JSON of a location, or null. */
    location: string | null
    parent_uid: number | null
    created_at: number
    updated_at: number
  }
  device_tags: { tenant: number; tag: string; device_uid: number }
  /** Devices that were deleted here and whose points the store has not yet been told to remove. */
  device_deletions: { uid: number; deleted_at: number }
  /** When a device was last there. `reason` is null while it is online, and when it never had a session. */
  connections: { device_uid: number; since: number | null; last_seen: number | null; reason: string | null }
  device_tokens: {
    key_id: string
    device_uid: number
    /** SHA-256 of the secret. */
    hash: Uint8Array
    created_at: number
    last_used_at: number | null
    revoked_at: number | null
  }
  admin_keys: { hash: Uint8Array; tenant: number; name: string; created_at: number }
  console_sessions: { hash: Uint8Array; tenant: number; created_at: number; expires_at: number }
  audit: {
    id: Generated<number>
    tenant: number
    at: number
    actor: string
    address: string | null
    action: string
    subject: string | null
    details: string
  }
}
