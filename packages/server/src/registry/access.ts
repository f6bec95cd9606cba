import type { Kysely } from 'kysely'
import type { Tables } from './tables.ts'

export interface AdminKeyTable {
  /** The tenant and name of the key with that SHA-256. */
  find(hash: Uint8Array): Promise<{ tenant: number; name: string } | undefined>
  /** Makes it the tenant's only key of that name; answers whether that is a change. */
  put(tenant: number, name: string, hash: Uint8Array, atMicros: number): Promise<boolean>
}

export function adminKeyTable(db: Kysely<Tables>): AdminKeyTable {
  const find = (hash: Uint8Array) =>
    db.selectFrom('admin_keys').select(['tenant', 'name']).where('hash', '=', hash).executeTakeFirst()
  return {
    find,
    async put(tenant, name, hash, atMicros) {
      const found = await find(hash)
      if (found?.tenant === tenant && found.name === name) return false
      await db.deleteFrom('admin_keys').where('tenant', '=', tenant).where('name', '=', name).execute()
      await db.insertInto('admin_keys').values({ tenant, name, hash, created_at: atMicros }).execute()
      return true
    },
  }
}

export interface ConsoleSessionTable {
  /** The session with that SHA-256, expired or not. */
  find(hash: Uint8Array): Promise<{ tenant: number; expiresAtMicros: number } | undefined>
  /** Ends expired sessions, and the oldest while there are `keptMax`; then adds this one. */
  insert(
    tenant: number,
    hash: Uint8Array,
    atMicros: number,
    expiresAtMicros: number,
    keptMax: number,
  ): Promise<void>
  delete(hash: Uint8Array): Promise<void>
  deleteAll(tenant: number): Promise<void>
}

export function consoleSessionTable(db: Kysely<Tables>): ConsoleSessionTable {
  return {
    find: (hash) =>
      db
        .selectFrom('console_sessions')
        .select(['tenant', 'expires_at as expiresAtMicros'])
        .where('hash', '=', hash)
        .executeTakeFirst(),
    async insert(tenant, hash, atMicros, expiresAtMicros, keptMax) {
      await db.deleteFrom('console_sessions').where('expires_at', '<=', atMicros).execute()
      const kept = db
        .selectFrom('console_sessions')
        .select('hash')
        .orderBy('created_at', 'desc')
        .limit(keptMax - 1)
      await db.deleteFrom('console_sessions').where('hash', 'not in', kept).execute()
      await db
        .insertInto('console_sessions')
        .values({ tenant, hash, created_at: atMicros, expires_at: expiresAtMicros })
        .execute()
    },
    async delete(hash) {
      await db.deleteFrom('console_sessions').where('hash', '=', hash).execute()
    },
    async deleteAll(tenant) {
      await db.deleteFrom('console_sessions').where('tenant', '=', tenant).execute()
    },
  }
}
