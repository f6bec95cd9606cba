import type { DeviceState } from '@drover/protocol'
import { type Kysely, sql } from 'kysely'
import { bulkStatements } from './bulk.ts'
import type { Tables } from './tables.ts'

export interface TokenRow {
  readonly keyId: string
  readonly createdAtMicros: number
  readonly lastUsedAtMicros: number | null
}

export interface NewToken {
  readonly keyId: string
  readonly deviceUid: number
  /** SHA-256 of the secret. */
  readonly hash: Uint8Array
}

/** A token that is not revoked, with what its device may do. */
export interface TokenHolder {
  readonly hash: Uint8Array
  readonly tenant: number
  readonly deviceUid: number
  readonly deviceId: string
  readonly state: DeviceState
}

export interface TokenTable {
  /** Those of the device that are not revoked, the oldest first. */
  list(deviceUid: number): Promise<TokenRow[]>
  holder(keyId: string): Promise<TokenHolder | undefined>
  insert(tokens: readonly NewToken[], atMicros: number): Promise<void>
  /** Whether the device had such a token that was not revoked. */
  revoke(deviceUid: number, keyId: string, atMicros: number): Promise<boolean>
  /** Forgets the device's revoked tokens; the audit log keeps that they were. */
  forgetRevoked(deviceUid: number): Promise<void>
  /** Notes when tokens were last used; a later time that is known already stays. */
  used(times: ReadonlyMap<string, number>): Promise<void>
}

export function tokenTable(db: Kysely<Tables>): TokenTable {
  return {
    async list(deviceUid) {
      const rows = await db
        .selectFrom('device_tokens')
        .select(['key_id as keyId', 'created_at as createdAtMicros', 'last_used_at as lastUsedAtMicros'])
        .where('device_uid', '=', deviceUid)
        .where('revoked_at', 'is', null)
        .orderBy('created_at')
        .orderBy('key_id')
        .execute()
      return rows
    },
    holder: (keyId) =>
      db
        .selectFrom('device_tokens')
        .innerJoin('devices', 'devices.uid', 'device_tokens.device_uid')
        .select([
          'device_tokens.hash',
          'devices.tenant',
          'devices.uid as deviceUid',
          'devices.id as deviceId',
        ])
        .select((row) => row.ref('devices.state').$castTo<DeviceState>().as('state'))
        .where('device_tokens.key_id', '=', keyId)
        .where('device_tokens.revoked_at', 'is', null)
        .executeTakeFirst(),
    async insert(tokens, atMicros) {
      const rows = tokens.map(({ keyId, deviceUid, hash }) => [keyId, deviceUid, hash, atMicros])
      const row = { key_id: '', device_uid: 0, hash: new Uint8Array(), created_at: 0 }
      const compile = (count: number) =>
        db.insertInto('device_tokens').values(Array(count).fill(row)).compile()
      for (const statement of bulkStatements(rows, compile)) await db.executeQuery(statement)
    },
    async revoke(deviceUid, keyId, atMicros) {
      const result = await db
        .updateTable('device_tokens')
        .set({ revoked_at: atMicros })
        .where('key_id', '=', keyId)
        .where('device_uid', '=', deviceUid)
        .where('revoked_at', 'is', null)
        .executeTakeFirstOrThrow()
      return result.numUpdatedRows === 1n
    },
    async forgetRevoked(deviceUid) {
      const query = db.deleteFrom('device_tokens').where('device_uid', '=', deviceUid)
      await query.where('revoked_at', 'is not', null).execute()
    },
    async used(times) {
      for (const statement of bulkStatements([...times], (count) => noteUses(db, count)))
        await db.executeQuery(statement)
    },
  }
}

/** The text of a statement for that many tokens; the values stand for others. */
function noteUses(db: Kysely<Tables>, count: number) {
  const row = sql`(cast(${''} as text), cast(${0} as bigint))`
  return sql`
    update device_tokens set last_used_at = given.column2
    from (values ${sql.join(Array(count).fill(row))}) as given
    where key_id = given.column1 and (last_used_at is null or last_used_at < given.column2)`.compile(db)
}
