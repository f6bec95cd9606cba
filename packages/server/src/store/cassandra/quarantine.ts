import { limits, type QuarantineReason } from '@drover/protocol'
import type { types } from 'cassandra-driver'
import type { QuarantineQuery, QuarantineRow, QuarantineStored, StoreBatch } from '../store.ts'
import { concurrently } from './concurrently.ts'
import { daySeconds, Partitions } from './points-write.ts'
import { groupOf } from './schema.ts'
import type { Ask, Mutation, Session } from './session.ts'

const readsAtATime = 32
/** µs since 1970 at the start of 2020, from which ids count: eight a microsecond, until 2055. */
const epochMicros = 1_577_836_800_000_000
const idsPerMicro = 8
const ttl = limits.quarantineDays * daySeconds
const dayOf = (id: number) => Math.floor(id / idsPerMicro / 1e6 / daySeconds)

/** An entry's number is made of its time of receipt, so that a repeated write gives it again; entries of one time follow on each other. */
export function quarantineMutations(batch: StoreBatch): Mutation[] {
  const partitions = new Partitions()
  const entries = new Map<string, number>()
  let last = -1
  const inOrder = batch.quarantine.toSorted(
    (a, b) => a.receivedAtMicros - b.receivedAtMicros || a.version - b.version,
  )
  for (const row of inOrder) {
    const message = `${row.deviceUid}/${row.version}`
    const entry = entries.get(message) ?? 0
    entries.set(message, entry + 1)
    last = Math.max((row.receivedAtMicros - epochMicros) * idsPerMicro, last + 1)
    addEntry(partitions, row, last, entry)
  }
  for (const [deviceUid, count] of batch.quarantineDropped)
    partitions.add(`dropped ${groupOf(deviceUid)}`, {
      query: `INSERT INTO quarantine_dropped (device_group, device, version, dropped) VALUES (?, ?, ?, ?)
        USING TTL ${ttl}`,
      params: [groupOf(deviceUid), deviceUid, batch.position.position, count],
    })
  return partitions.mutations()
}

function addEntry(partitions: Partitions, row: QuarantineRow, id: number, entry: number): void {
  const { tenant, deviceUid, reason, version } = row
  const day = dayOf(id)
  partitions.add(`day ${tenant}/${day}`, {
    query: `INSERT INTO quarantine (tenant, day, id, device, version, entry, reason, message, metric, received_at,
        content_type, payload, payload_bytes)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TTL ${ttl}`,
    params: [
      ...[tenant, day, id, deviceUid, version, entry, reason, row.message, row.metric, row.receivedAtMicros],
      ...[row.contentType, Buffer.from(row.payload), row.payloadBytes],
    ],
  })
  partitions.add(`days ${tenant}`, {
    query: 'INSERT INTO quarantine_days (tenant, day) VALUES (?, ?)',
    params: [tenant, day],
  })
  partitions.add(`device ${groupOf(deviceUid)}`, {
    query: `INSERT INTO quarantine_of_device (device_group, device, id, version, entry, tenant, reason)
      VALUES (?, ?, ?, ?, ?, ?, ?) USING TTL ${ttl}`,
    params: [groupOf(deviceUid), deviceUid, id, version, entry, tenant, reason],
  })
}

interface EntryRow {
  readonly id: types.Long
  readonly tenant: number
  readonly device: types.Long
  readonly version: types.Long
  readonly reason: string
  readonly message: string
  readonly metric: string | null
  readonly received_at: types.Long
  readonly content_type: number
  readonly payload: Buffer
  readonly payload_bytes: number
}

const entryOf = (row: EntryRow): QuarantineStored => ({
  id: row.id.toNumber(),
  tenant: row.tenant,
  deviceUid: row.device.toNumber(),
  reason: row.reason as QuarantineReason,
  message: row.message,
  metric: row.metric,
  receivedAtMicros: row.received_at.toNumber(),
  contentType: row.content_type,
  payload: Uint8Array.from(row.payload),
  payloadBytes: row.payload_bytes,
  version: row.version.toNumber(),
})

const select = `SELECT id, tenant, device, version, reason, message, metric, received_at, content_type, payload,
  payload_bytes FROM quarantine WHERE tenant = ? AND day = ?`

export async function findQuarantine(ask: Ask, query: QuarantineQuery): Promise<QuarantineStored[]> {
  return query.deviceUid === undefined ? findOfTenant(ask, query) : findOfDevice(ask, query, query.deviceUid)
}

async function findOfTenant(ask: Ask, query: QuarantineQuery): Promise<QuarantineStored[]> {
  const { tenant, reason, limit, beforeId = Number.MAX_SAFE_INTEGER } = query
  const days = await ask.rows<{ day: number }>(
    'SELECT day FROM quarantine_days WHERE tenant = ? AND day <= ?',
    [tenant, dayOf(beforeId)],
  )
  const found: QuarantineStored[] = []
  for (const { day } of days) {
    for await (const rows of ask.pages<EntryRow>(`${select} AND id < ?`, [tenant, day, beforeId])) {
      for (const row of rows)
        if (found.length < limit && (reason === undefined || row.reason === reason)) found.push(entryOf(row))
      if (found.length === limit) return found
    }
  }
  return found
}

interface PointerRow {
  readonly id: types.Long
  readonly version: types.Long
  readonly entry: number
  readonly tenant: number
  readonly reason: string
}

async function findOfDevice(
  ask: Ask,
  query: QuarantineQuery,
  deviceUid: number,
): Promise<QuarantineStored[]> {
  const { tenant, reason, limit, beforeId = Number.MAX_SAFE_INTEGER } = query
  const rows = await ask.rows<PointerRow>(
    `SELECT id, version, entry, tenant, reason FROM quarantine_of_device
      WHERE device_group = ? AND device = ? AND id < ?`,
    [groupOf(deviceUid), deviceUid, beforeId],
  )
  const wanted = rows
    .filter((row) => row.tenant === tenant && (reason === undefined || row.reason === reason))
    .slice(0, limit)
  const found: QuarantineStored[][] = []
  await concurrently(wanted, readsAtATime, async ({ id, version, entry }, index) => {
    const key = [tenant, dayOf(id.toNumber()), id.toNumber(), deviceUid, version.toNumber(), entry]
    const entries = await ask.rows<EntryRow>(
      `${select} AND id = ? AND device = ? AND version = ? AND entry = ?`,
      key,
    )
    found[index] = entries.map(entryOf)
  })
  return found.flat()
}

export async function findQuarantineEntry(
  ask: Ask,
  tenant: number,
  id: number,
): Promise<QuarantineStored | undefined> {
  const rows = await ask.rows<EntryRow>(`${select} AND id = ?`, [tenant, dayOf(id), id])
  return rows.map(entryOf)[0]
}

/** Entries kept, by device. */
export async function countQuarantine(
  session: Session,
  deviceUids: readonly number[],
): Promise<Map<number, number>> {
  const counts = new Map(deviceUids.map((uid) => [uid, 0]))
  const groups = [...Map.groupBy(counts.keys(), groupOf)]
  await concurrently(groups, readsAtATime, async ([group, uids]) => {
    const rows = await session.rows<{ device: types.Long; kept: types.Long }>(
      `SELECT device, count(*) AS kept FROM quarantine_of_device
        WHERE device_group = ? AND device IN ? GROUP BY device_group, device`,
      [group, uids],
    )
    for (const { device, kept } of rows) counts.set(device.toNumber(), kept.toNumber())
  })
  return counts
}

export async function countDropped(ask: Ask, deviceUids: readonly number[] | 'all'): Promise<number> {
  if (deviceUids === 'all')
    return sumOf(await ask.rows<DroppedRow>('SELECT dropped FROM quarantine_dropped', []))
  let sum = 0
  const groups = [...Map.groupBy(new Set(deviceUids), groupOf)]
  await concurrently(groups, readsAtATime, async ([group, uids]) => {
    const query = 'SELECT dropped FROM quarantine_dropped WHERE device_group = ? AND device IN ?'
    sum += sumOf(await ask.rows<DroppedRow>(query, [group, uids]))
  })
  return sum
}

interface DroppedRow {
  readonly dropped: number
}

const sumOf = (rows: readonly DroppedRow[]) => rows.reduce((sum, { dropped }) => sum + dropped, 0)

/** Removes what is kept of the device, of whatever tenant. */
export async function deleteQuarantine(
  session: Session,
  deviceUid: number,
  timestamp: number,
): Promise<void> {
  const place = [groupOf(deviceUid), deviceUid]
  const rows = await session.rows<PointerRow>(
    `SELECT id, version, entry, tenant, reason FROM quarantine_of_device WHERE device_group = ? AND device = ?`,
    place,
  )
  const partitions = new Partitions()
  for (const { id, version, entry, tenant } of rows) {
    const day = dayOf(id.toNumber())
    partitions.add(`${tenant}/${day}`, {
      query: `DELETE FROM quarantine USING TIMESTAMP ?
        WHERE tenant = ? AND day = ? AND id = ? AND device = ? AND version = ? AND entry = ?`,
      params: [timestamp, tenant, day, id.toNumber(), deviceUid, version.toNumber(), entry],
    })
  }
  await session.mutate(partitions.mutations())
  await session.mutate(
    ['quarantine_of_device', 'quarantine_dropped'].map((table) => [
      {
        query: `DELETE FROM ${table} USING TIMESTAMP ? WHERE device_group = ? AND device = ?`,
        params: [timestamp, ...place],
      },
    ]),
  )
}
