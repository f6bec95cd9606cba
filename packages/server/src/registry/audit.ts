import type { ErrorDetails } from '@drover/protocol'
import type { Kysely } from 'kysely'
import type { Tables } from './tables.ts'

/** What happened: who, from where, what, on what. */
export interface AuditRecord {
  readonly tenant: number
  readonly actor: string
  readonly address: string | null
  readonly action: string
  readonly subject: string | null
  readonly details: ErrorDetails
}

export interface AuditRow extends AuditRecord {
  readonly id: number
  readonly atMicros: number
}

export interface AuditTable {
  add(record: AuditRecord, atMicros: number): Promise<void>
  /** The newest first, below `beforeId`. */
  list(tenant: number, limit: number, beforeId?: number): Promise<AuditRow[]>
  /** Removes all but the newest `keptMax`. */
  trim(keptMax: number): Promise<void>
}

export function auditTable(db: Kysely<Tables>): AuditTable {
  return {
    async add({ subject, details, ...record }, atMicros) {
      // What somebody claims to be may hold anything, and must not keep the rest from being written.
      const kept = subject?.replaceAll('\0', '\ufffd') ?? null
      await db
        .insertInto('audit')
        .values({ ...record, subject: kept, at: atMicros, details: JSON.stringify(details) })
        .execute()
    },
    async list(tenant, limit, beforeId = Number.MAX_SAFE_INTEGER) {
      const rows = await db
        .selectFrom('audit')
        .selectAll()
        .where('tenant', '=', tenant)
        .where('id', '<', beforeId)
        .orderBy('id', 'desc')
        .limit(limit)
        .execute()
      return rows.map(({ at, details, ...row }) => ({
        ...row,
        atMicros: at,
        details: JSON.parse(details) as ErrorDetails,
      }))
    },
    async trim(keptMax) {
      const newest = await db
        .selectFrom('audit')
        .select('id')
        .orderBy('id', 'desc')
        .limit(1)
        .executeTakeFirst()
      if (newest)
        await db
          .deleteFrom('audit')
          .where('id', '<=', newest.id - keptMax)
          .execute()
    },
  }
}
