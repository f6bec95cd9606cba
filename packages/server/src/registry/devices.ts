import type { DeviceState, Location } from '@drover/protocol'
import { type ExpressionBuilder, type Kysely, type Selectable, sql } from 'kysely'
import { type DeviceRecord, type NewDevice, tagSet } from '../model/device.ts'
import { bulkStatements } from './bulk.ts'
import type { Tables } from './tables.ts'

export interface DeviceFilter {
  /** Each word must be part of the id or the name, upper and lower case alike. */
  readonly words?: readonly string[]
  readonly profile?: string
  readonly tag?: string
  readonly state?: DeviceState
  readonly ids?: readonly string[]
  readonly uids?: readonly number[]
}

/** What names a device: its number and its id. */
export interface DeviceName {
  readonly uid: number
  readonly id: string
}

export interface DeviceTable {
  get(tenant: number, id: string): Promise<DeviceRecord | undefined>
  /** In the order of their ids (of their bytes), after `after`. */
  list(tenant: number, filter: DeviceFilter, limit: number, after?: string): Promise<DeviceRecord[]>
  /** In the order of their ids. */
  names(tenant: number, filter: DeviceFilter, limit: number): Promise<readonly DeviceName[]>
  count(tenant: number): Promise<number>
  /** Uids by id, in the order given. None of the ids may be in use. */
  insert(tenant: number, devices: readonly NewDevice[], atMicros: number): Promise<Map<string, number>>
  update(device: DeviceRecord, parentUid: number | null, atMicros: number): Promise<void>
  /** Deletes it with its tokens and tags, and notes that the store has to remove its points. */
  delete(uid: number, atMicros: number): Promise<void>
  /** Uids of deleted devices of which the store has not yet been told. */
  pendingDeletions(): Promise<number[]>
  deletionDone(uid: number): Promise<void>
}

type DeviceRow = Omit<Selectable<Tables['devices']>, 'parent_uid'> & { parent: string | null }

function toRecord(row: DeviceRow, tags: readonly string[]): DeviceRecord {
  return {
    uid: row.uid,
    tenant: row.tenant,
    id: row.id,
    profile: row.profile,
    name: row.name,
    tags,
    location: row.location === null ? null : (JSON.parse(row.location) as Location),
    parent: row.parent,
    state: row.state as DeviceState,
    createdAtMicros: row.created_at,
    updatedAtMicros: row.updated_at,
  }
}

export function deviceTable(db: Kysely<Tables>): DeviceTable {
  return {
    get: async (tenant, id) => (await list(db, tenant, { ids: [id] }, 1, ''))[0],
    list: (tenant, filter, limit, after = '') => list(db, tenant, filter, limit, after),
    names: (tenant, filter, limit) =>
      db
        .selectFrom('devices')
        .select(['devices.uid', 'devices.id'])
        .where('devices.tenant', '=', tenant)
        .where((where) => matches(where, filter))
        .orderBy('devices.id')
        .limit(limit)
        .execute(),
    async count(tenant) {
      const query = db.selectFrom('devices').select(sql<number>`count(*)`.as('count'))
      return Number((await query.where('tenant', '=', tenant).executeTakeFirstOrThrow()).count)
    },
    insert: (tenant, devices, atMicros) => insert(db, tenant, devices, atMicros),
    async update(device, parentUid, atMicros) {
      const { uid, profile, name, state, location, tags } = device
      await db
        .updateTable('devices')
        .set({
          profile,
          name,
          state,
          location: location && JSON.stringify(location),
          parent_uid: parentUid,
          updated_at: atMicros,
        })
        .where('uid', '=', uid)
        .execute()
      await db.deleteFrom('device_tags').where('device_uid', '=', uid).execute()
      await insertTags(
        db,
        tags.map((tag) => [device.tenant, tag, uid]),
      )
    },
    async delete(uid, atMicros) {
      await db.deleteFrom('devices').where('uid', '=', uid).execute()
      await db.insertInto('device_deletions').values({ uid, deleted_at: atMicros }).execute()
    },
    async pendingDeletions() {
      const rows = await db.selectFrom('device_deletions').select('uid').orderBy('uid').execute()
      return rows.map((row) => row.uid)
    },
    async deletionDone(uid) {
      await db.deleteFrom('device_deletions').where('uid', '=', uid).execute()
    },
  }
}

async function list(
  db: Kysely<Tables>,
  tenant: number,
  filter: DeviceFilter,
  limit: number,
  after: string,
): Promise<DeviceRecord[]> {
  const rows = await db
    .selectFrom('devices')
    .leftJoin('devices as parents', 'parents.uid', 'devices.parent_uid')
    .selectAll('devices')
    .select('parents.id as parent')
    .where('devices.tenant', '=', tenant)
    .where('devices.id', '>', after)
    .where((where) => matches(where, filter))
    .orderBy('devices.id')
    .limit(limit)
    .execute()
  const tags = await tagsOf(
    db,
    rows.map((row) => row.uid),
  )
  return rows.map((row) => toRecord(row, tags.get(row.uid) ?? []))
}

type Where = ExpressionBuilder<Tables, 'devices'>

function matches(where: Where, { words, profile, tag, state, ids, uids }: DeviceFilter) {
  const conditions = (words ?? []).map((word) => holds(where, word))
  if (profile !== undefined) conditions.push(where('devices.profile', '=', profile))
  if (state !== undefined) conditions.push(where('devices.state', '=', state))
  if (ids !== undefined) conditions.push(where('devices.id', 'in', ids))
  if (uids !== undefined) conditions.push(where('devices.uid', 'in', uids))
  if (tag !== undefined) conditions.push(hasTag(where, tag))
  return where.and(conditions)
}

function holds(where: Where, word: string) {
  const pattern = `%${word.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`
  const like = (column: 'devices.id' | 'devices.name') =>
    sql<boolean>`lower(${sql.ref(column)}) like ${pattern} escape '\\'`
  return where.or([like('devices.id'), like('devices.name')])
}

function hasTag(where: Where, tag: string) {
  return where.exists(
    where
      .selectFrom('device_tags')
      .select('device_tags.tag')
      .whereRef('device_tags.device_uid', '=', 'devices.uid')
      .whereRef('device_tags.tenant', '=', 'devices.tenant')
      .where('device_tags.tag', '=', tag),
  )
}

async function tagsOf(db: Kysely<Tables>, uids: readonly number[]): Promise<Map<number, string[]>> {
  const tags = new Map<number, string[]>()
  if (uids.length === 0) return tags
  const query = db.selectFrom('device_tags').select(['device_uid', 'tag']).where('device_uid', 'in', uids)
  for (const { device_uid, tag } of await query.orderBy('tag').execute())
    tags.set(device_uid, [...(tags.get(device_uid) ?? []), tag])
  return tags
}

async function insert(
  db: Kysely<Tables>,
  tenant: number,
  devices: readonly NewDevice[],
  atMicros: number,
): Promise<Map<string, number>> {
  const uids = new Map(devices.map(({ id }) => [id, 0]))
  const rows = devices.map(({ id, profile, name, state, location, parentUid }) => [
    tenant,
    id,
    profile,
    name,
    state,
    location && JSON.stringify(location),
    parentUid,
    atMicros,
    atMicros,
  ])
  for (const statement of bulkStatements(rows, (count) => insertDevices(db, count))) {
    const { rows: inserted } = await db.executeQuery<DeviceName>(statement)
    for (const { id, uid } of inserted) uids.set(id, uid)
  }
  const tagRows = devices.flatMap((device) =>
    tagSet(device.tags).map((tag) => [tenant, tag, uids.get(device.id)!]),
  )
  await insertTags(db, tagRows)
  return uids
}

/** The text of an insert of that many devices; the values stand for others. */
function insertDevices(db: Kysely<Tables>, count: number) {
  const row = {
    tenant: 0,
    id: '',
    profile: '',
    name: '',
    state: '',
    location: '',
    parent_uid: 0,
    created_at: 0,
    updated_at: 0,
  }
  return db.insertInto('devices').values(Array(count).fill(row)).returning(['uid', 'id']).compile()
}

async function insertTags(db: Kysely<Tables>, rows: readonly (readonly unknown[])[]): Promise<void> {
  const compile = (count: number) =>
    db
      .insertInto('device_tags')
      .values(Array(count).fill({ tenant: 0, tag: '', device_uid: 0 }))
      .compile()
  for (const statement of bulkStatements(rows, compile)) await db.executeQuery(statement)
}
