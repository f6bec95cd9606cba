import { type Kysely, sql } from 'kysely'
import type { EndReason, KeptPresence } from '../gateway/presence.ts'
import { bulkStatements } from './bulk.ts'
import type { Tables } from './tables.ts'

/** When devices were last there, for after a restart. */
export interface ConnectionTable {
  /** In the order of uids. */
  all(): Promise<KeptPresence[]>
  /** Replaces what was kept of these devices, each named once; devices that are gone are left out. */
  put(connections: readonly KeptPresence[]): Promise<void>
}

export function connectionTable(db: Kysely<Tables>): ConnectionTable {
  return {
    async all() {
      const rows = await db.selectFrom('connections').selectAll().orderBy('device_uid').execute()
      return rows.map(({ device_uid, since, last_seen, reason }) => ({
        deviceUid: device_uid,
        sinceMs: milliseconds(since),
        lastSeenMs: milliseconds(last_seen),
        reason: (reason as EndReason | null) ?? undefined,
      }))
    },
    async put(connections) {
      // In one order for all processes, so that none waits for another that waits for it.
      const inOrder = connections.toSorted((a, b) => a.deviceUid - b.deviceUid)
      const rows = inOrder.map(({ deviceUid, sinceMs, lastSeenMs, reason }) => [
        deviceUid,
        micros(sinceMs),
        micros(lastSeenMs),
        reason ?? null,
      ])
      for (const statement of bulkStatements(rows, (count) => upsert(db, count)))
        await db.executeQuery(statement)
    },
  }
}

const milliseconds = (time: number | null) => (time === null ? 0 : time / 1_000)
const micros = (timeMs: number) => (timeMs === 0 ? null : Math.round(timeMs * 1_000))

/** The text of a statement for that many rows; the values stand for others. */
function upsert(db: Kysely<Tables>, count: number) {
  // PostgreSQL does not see from the table that is written to what these values are.
  const row = sql`(cast(${0} as bigint), cast(${0} as bigint), cast(${0} as bigint), cast(${''} as text))`
  return sql`
    insert into connections (device_uid, since, last_seen, reason)
    select * from (values ${sql.join(Array(count).fill(row))}) as given
    where column1 in (select uid from devices)
    on conflict (device_uid) do update
    set since = excluded.since, last_seen = excluded.last_seen, reason = excluded.reason`.compile(db)
}
