import type { Profile } from '@drover/protocol'
import { type Kysely, type Selectable, sql } from 'kysely'
import type { ProfileDefinition } from '../model/profile.ts'
import { formatTimeMicros } from '../model/time.ts'
import type { Tables } from './tables.ts'

export type ProfileRow = Selectable<Tables['profiles']>

export function toProfile(row: ProfileRow): Profile {
  return {
    id: row.id,
    ...(JSON.parse(row.definition) as ProfileDefinition),
    createdAt: formatTimeMicros(row.created_at),
    updatedAt: formatTimeMicros(row.updated_at),
  }
}

export interface ProfileTable {
  get(tenant: number, id: string): Promise<Profile | undefined>
  /** In the order of their ids, after `after`. */
  list(tenant: number, limit: number, after?: string): Promise<Profile[]>
  /** Those of `ids` that exist. */
  existing(tenant: number, ids: readonly string[]): Promise<Set<string>>
  /** Whether it was not there before. */
  insert(tenant: number, id: string, definition: ProfileDefinition, atMicros: number): Promise<boolean>
  update(tenant: number, id: string, definition: ProfileDefinition, atMicros: number): Promise<void>
  /** How many devices have it. */
  deviceCount(tenant: number, id: string): Promise<number>
  delete(tenant: number, id: string): Promise<boolean>
}

export function profileTable(db: Kysely<Tables>): ProfileTable {
  const one = (tenant: number, id: string) =>
    db.selectFrom('profiles').selectAll().where('tenant', '=', tenant).where('id', '=', id)
  return {
    async get(tenant, id) {
      const row = await one(tenant, id).executeTakeFirst()
      return row && toProfile(row)
    },
    async list(tenant, limit, after = '') {
      const query = db.selectFrom('profiles').selectAll().where('tenant', '=', tenant)
      const rows = await query.where('id', '>', after).orderBy('id').limit(limit).execute()
      return rows.map(toProfile)
    },
    async existing(tenant, ids) {
      const found = await Promise.all([...new Set(ids)].map((id) => one(tenant, id).executeTakeFirst()))
      return new Set(found.flatMap((row) => row?.id ?? []))
    },
    async insert(tenant, id, definition, atMicros) {
      const result = await db
        .insertInto('profiles')
        .values({
          tenant,
          id,
          definition: JSON.stringify(definition),
          created_at: atMicros,
          updated_at: atMicros,
        })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirstOrThrow()
      return result.numInsertedOrUpdatedRows === 1n
    },
    async update(tenant, id, definition, atMicros) {
      await db
        .updateTable('profiles')
        .set({ definition: JSON.stringify(definition), updated_at: atMicros })
        .where('tenant', '=', tenant)
        .where('id', '=', id)
        .execute()
    },
    async deviceCount(tenant, id) {
      const row = await db
        .selectFrom('devices')
        .select(sql<number>`count(*)`.as('count'))
        .where('tenant', '=', tenant)
        .where('profile', '=', id)
        .executeTakeFirstOrThrow()
      return Number(row.count)
    },
    async delete(tenant, id) {
      const query = db.deleteFrom('profiles').where('tenant', '=', tenant).where('id', '=', id)
      return (await query.executeTakeFirstOrThrow()).numDeletedRows === 1n
    },
  }
}
