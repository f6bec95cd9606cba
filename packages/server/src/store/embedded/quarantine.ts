import type { DatabaseSync } from 'node:sqlite'
import type { QuarantineQuery, QuarantineRow, QuarantineStored, StoreBatch } from '../store.ts'
import type { Changes } from './changes.ts'
import { readMeta } from './ledger.ts'

/** How many entries each device has, and how many were dropped. */
export class QuarantineCounts {
  readonly kept = new Map<number, number>()
  readonly dropped = new Map<number, number>()
  #nextId: number

  constructor(db: DatabaseSync) {
    this.#nextId = Number(readMeta(db, 'quarantineNext') ?? 1)
    this.#sumInto(this.dropped, db, 'sum(dropped)', 'quarantine_dropped')
    this.countKept(db)
  }

  get nextId(): number {
    return this.#nextId
  }

  get total(): number {
    return [...this.kept.values()].reduce((sum, count) => sum + count, 0)
  }

  droppedOf(deviceUids: readonly number[] | 'all'): number {
    const wanted = deviceUids === 'all' ? [...this.dropped.keys()] : deviceUids
    return wanted.reduce((sum, uid) => sum + (this.dropped.get(uid) ?? 0), 0)
  }

  /** Counts a batch; answers its entries with their ids. */
  add({ quarantine, quarantineDropped }: StoreBatch): QuarantineStored[] {
    for (const [deviceUid, count] of quarantineDropped) increase(this.dropped, deviceUid, count)
    for (const { deviceUid } of quarantine) increase(this.kept, deviceUid, 1)
    return quarantine.map((row) => ({ ...row, id: this.#nextId++ }))
  }

  /** After entries were removed from the ledger; `changes` has the ones that are not in it yet. */
  countKept(db: DatabaseSync, changes: readonly Changes[] = []): void {
    this.kept.clear()
    this.#sumInto(this.kept, db, 'count(*)', 'quarantine')
    for (const { quarantine } of changes)
      for (const { deviceUid } of quarantine) increase(this.kept, deviceUid, 1)
  }

  forgetDevice(deviceUid: number): void {
    this.kept.delete(deviceUid)
    this.dropped.delete(deviceUid)
  }

  #sumInto(target: Map<number, number>, db: DatabaseSync, sum: string, table: string): void {
    const rows = db.prepare(`SELECT device_uid AS uid, ${sum} AS sum FROM ${table} GROUP BY device_uid`)
    for (const { uid, sum } of rows.iterate()) target.set(Number(uid), Number(sum))
  }
}

function increase(counts: Map<number, number>, deviceUid: number, by: number): void {
  counts.set(deviceUid, (counts.get(deviceUid) ?? 0) + by)
}

export const saveQuarantine = 'INSERT INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'

export function quarantineValues(row: QuarantineStored): (number | string | Uint8Array | null)[] {
  const { id, tenant, deviceUid, reason, message, metric } = row
  const { receivedAtMicros, contentType, payload, payloadBytes, version } = row
  return [
    id,
    tenant,
    deviceUid,
    reason,
    message,
    metric,
    receivedAtMicros,
    contentType,
    payload,
    payloadBytes,
    version,
  ]
}

/** Newest first: what the ledger has, behind what it does not have yet. */
export function findQuarantine(
  db: DatabaseSync,
  changes: readonly Changes[],
  query: QuarantineQuery,
): QuarantineStored[] {
  const unlisted = changes.flatMap(({ quarantine }) => quarantine)
  const found = unlisted.filter((entry) => matches(entry, query)).reverse()
  if (found.length >= query.limit) return found.slice(0, query.limit)
  // While they are being written to the ledger, they are in both.
  const beforeId = Math.min(
    query.beforeId ?? Number.MAX_SAFE_INTEGER,
    unlisted[0]?.id ?? Number.MAX_SAFE_INTEGER,
  )
  return [...found, ...inLedger(db, { ...query, beforeId, limit: query.limit - found.length })]
}

export function findQuarantineEntry(
  db: DatabaseSync,
  changes: readonly Changes[],
  tenant: number,
  id: number,
): QuarantineStored | undefined {
  return findQuarantine(db, changes, { tenant, beforeId: id + 1, limit: 1 }).find((entry) => entry.id === id)
}

function matches(entry: QuarantineStored, { tenant, deviceUid, reason, beforeId }: QuarantineQuery): boolean {
  return (
    entry.tenant === tenant &&
    (deviceUid === undefined || entry.deviceUid === deviceUid) &&
    (reason === undefined || entry.reason === reason) &&
    (beforeId === undefined || entry.id < beforeId)
  )
}

function inLedger(db: DatabaseSync, query: QuarantineQuery & { beforeId: number }): QuarantineStored[] {
  const { tenant, deviceUid, reason, beforeId, limit } = query
  const filters = ['tenant = ?', 'id < ?']
  const values: (number | string)[] = [tenant, beforeId]
  if (deviceUid !== undefined) {
    filters.push('device_uid = ?')
    values.push(deviceUid)
  }
  if (reason !== undefined) {
    filters.push('reason = ?')
    values.push(reason)
  }
  const rows = db
    .prepare(`SELECT * FROM quarantine WHERE ${filters.join(' AND ')} ORDER BY id DESC LIMIT ?`)
    .all(...values, limit)
  return rows.map((row) => ({
    id: Number(row.id),
    tenant: Number(row.tenant),
    deviceUid: Number(row.device_uid),
    reason: row.reason as QuarantineRow['reason'],
    message: String(row.message),
    metric: row.metric as string | null,
    receivedAtMicros: Number(row.received_at),
    contentType: Number(row.content_type),
    payload: row.payload as Uint8Array,
    payloadBytes: Number(row.payload_bytes),
    version: Number(row.version),
  }))
}
