import type { QuarantineReason } from '@drover/protocol'
import type { QuarantineQuery, QuarantineRow, QuarantineStored } from '../store.ts'
import { type AppendColumn, type Connection, literal, type ResultColumn } from './duckdb.ts'

/** Rows of `quarantine_dropped` beyond the devices in it, before they are summed up. */
const droppedSlack = 10_000

/** How many entries each device has, and how many were dropped; the entries themselves are on disk only. */
export class QuarantineCounts {
  readonly kept = new Map<number, number>()
  readonly dropped = new Map<number, number>()
  #nextId = 1
  #droppedRows = 0

  get nextId(): number {
    return this.#nextId
  }

  get total(): number {
    return [...this.kept.values()].reduce((sum, count) => sum + count, 0)
  }

  get wantsCompaction(): boolean {
    return this.#droppedRows > this.dropped.size + droppedSlack
  }

  droppedOf(deviceUids: readonly number[] | 'all'): number {
    const wanted = deviceUids === 'all' ? [...this.dropped.keys()] : deviceUids
    return wanted.reduce((sum, uid) => sum + (this.dropped.get(uid) ?? 0), 0)
  }

  add(rows: readonly QuarantineRow[], dropped: ReadonlyMap<number, number>): void {
    this.#nextId += rows.length
    this.#droppedRows += dropped.size
    for (const { deviceUid } of rows) increase(this.kept, deviceUid, 1)
    for (const [deviceUid, count] of dropped) increase(this.dropped, deviceUid, count)
  }

  forgetDevice(deviceUid: number): void {
    this.kept.delete(deviceUid)
    this.dropped.delete(deviceUid)
  }

  /** Sums the dropped ones up in the table, within the transaction that is open. */
  async compact(connection: Connection): Promise<void> {
    await connection.run('DELETE FROM quarantine_dropped')
    await connection.append('quarantine_dropped', this.dropped.size, droppedColumns(this.dropped))
    this.#droppedRows = this.dropped.size
  }

  async load(connection: Connection): Promise<void> {
    const [next] = await connection.columns('SELECT coalesce(max(id), 0)::DOUBLE FROM quarantine')
    this.#nextId = (next as Float64Array)[0]! + 1
    this.kept.clear()
    this.dropped.clear()
    await sumsInto(this.kept, connection, 'count(*)', 'quarantine')
    await sumsInto(this.dropped, connection, 'sum(dropped)', 'quarantine_dropped')
  }
}

function increase(counts: Map<number, number>, deviceUid: number, by: number): void {
  counts.set(deviceUid, (counts.get(deviceUid) ?? 0) + by)
}

async function sumsInto(target: Map<number, number>, connection: Connection, sum: string, table: string) {
  const [uids, sums] = (await connection.columns(
    `SELECT device_uid, ${sum}::DOUBLE FROM ${table} GROUP BY device_uid`,
  )) as [Int32Array, Float64Array] & ResultColumn[]
  for (let at = 0; at < uids.length; at++) target.set(uids[at]!, sums[at]!)
}

export function droppedColumns(dropped: ReadonlyMap<number, number>): AppendColumn[] {
  return [
    { type: 'integer', values: Int32Array.from(dropped.keys()) },
    { type: 'bigint', values: BigInt64Array.from(dropped.values(), BigInt) },
  ]
}

export function quarantineColumns(rows: readonly QuarantineRow[], firstId: number): AppendColumn[] {
  const integers = (of: (row: QuarantineRow) => number) => Int32Array.from(rows, of)
  const bigints = (of: (row: QuarantineRow) => number) => BigInt64Array.from(rows, (row) => BigInt(of(row)))
  return [
    { type: 'bigint', values: BigInt64Array.from(rows, (_, at) => BigInt(firstId + at)) },
    { type: 'integer', values: integers((row) => row.tenant) },
    { type: 'integer', values: integers((row) => row.deviceUid) },
    { type: 'text', values: rows.map((row) => row.reason) },
    { type: 'text', values: rows.map((row) => row.message) },
    { type: 'text', values: rows.map((row) => row.metric) },
    { type: 'bigint', values: bigints((row) => row.receivedAtMicros) },
    { type: 'integer', values: integers((row) => row.contentType) },
    { type: 'blob', values: rows.map((row) => row.payload) },
    { type: 'integer', values: integers((row) => row.payloadBytes) },
    { type: 'bigint', values: bigints((row) => row.version) },
  ]
}

export function quarantineSql(query: QuarantineQuery & { readonly id?: number }): string {
  const { tenant, deviceUid, reason, beforeId, id, limit } = query
  const filters = [
    `tenant = ${Number(tenant)}`,
    deviceUid === undefined ? [] : `device_uid = ${Number(deviceUid)}`,
    reason === undefined ? [] : `reason = ${literal(reason)}`,
    beforeId === undefined ? [] : `id < ${Number(beforeId)}`,
    id === undefined ? [] : `id = ${Number(id)}`,
  ].flat()
  return `SELECT id::DOUBLE, tenant, device_uid, reason, message, metric, received_at::DOUBLE, content_type, payload,
    payload_bytes, version::DOUBLE FROM quarantine WHERE ${filters.join(' AND ')} ORDER BY id DESC LIMIT ${Number(limit)}`
}

export function quarantineRows(found: readonly ResultColumn[]): QuarantineStored[] {
  const [id, tenant, uid, reason, message, metric, received, type, payload, bytes, version] = found as [
    Float64Array,
    Int32Array,
    Int32Array,
    QuarantineReason[],
    string[],
    (string | null)[],
    Float64Array,
    Int32Array,
    Uint8Array[],
    Int32Array,
    Float64Array,
  ] &
    ResultColumn[]
  return Array.from(id, (_, at) => ({
    id: id[at]!,
    tenant: tenant[at]!,
    deviceUid: uid[at]!,
    reason: reason[at]!,
    message: message[at]!,
    metric: metric[at]!,
    receivedAtMicros: received[at]!,
    contentType: type[at]!,
    payload: payload[at]!,
    payloadBytes: bytes[at]!,
    version: version[at]!,
  }))
}
