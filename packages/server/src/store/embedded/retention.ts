import { dayMicros } from '../micros.ts'
import type { Connection } from './duckdb.ts'
import type { Inventory, Segment } from './inventory.ts'
import { type LatestRow, latestRows, latestSelect, putLatest } from './latest-table.ts'
import { pointsSql } from './points-sql.ts'
import { kinds } from './schema.ts'
import { unlistSegments } from './segments.ts'
import { nowMicros, type StoreState } from './state.ts'
import { transaction } from './transaction.ts'

/**
 * Drops points before a time from segments whose points all arrived more than a day ago: whole files, or by a cut that
 * readers respect at once and the next merge carries out. Rotated tables are segments by now.
 */
export async function applyRetention(state: StoreState, olderThanMicros: number): Promise<void> {
  const { inventories } = state
  const before = inventories.current
  const after = retained(before, olderThanMicros, nowMicros(state) - dayMicros)
  const dropped = before.segments.filter((segment) => !after.segments.some(({ id }) => id === segment.id))
  const cut = after.segments.filter((segment) => !before.segments.includes(segment))
  if (dropped.length + cut.length === 0) return
  const affected = [...state.catalog.ids()].filter((id) => {
    const time = state.latest.timeOf(id)
    return time !== undefined && time < olderThanMicros
  })
  const left = await latestAmong(state, after, affected)
  await transaction(
    state,
    async (connection) => {
      await connection.run(unlistSegments(dropped) + cut.map(cutSegment).join(''))
      await saveLatest(state, connection, affected, left)
    },
    () => {
      inventories.replace({ tables: inventories.current.tables, segments: after.segments })
      for (const id of affected) if (state.latest.timeOf(id)! < olderThanMicros) state.latest.clear(id)
      for (const point of left) putLatest(state.latest, point)
    },
  )
}

function retained({ tables, segments }: Inventory, olderThan: number, arrivedBefore: number): Inventory {
  return {
    tables,
    segments: segments.flatMap((segment) => {
      if (segment.arrivedMax >= arrivedBefore || segment.timeMin >= olderThan) return segment
      if (segment.timeMax < olderThan) return []
      return segment.cut >= olderThan ? segment : { ...segment, cut: olderThan }
    }),
  }
}

function cutSegment({ id, cut }: Segment): string {
  return `UPDATE segments SET cut = ${cut} WHERE id = ${id};`
}

/** The latest points that these series have in an inventory. */
async function latestAmong(
  { computing, folders, catalog }: StoreState,
  inventory: Inventory,
  seriesIds: readonly number[],
): Promise<LatestRow[]> {
  const selects = kinds.flatMap((kind) => {
    const selection = { kind, seriesIds, fromMicros: 0, toMicros: Number.MAX_SAFE_INTEGER }
    const points = pointsSql(inventory, folders.segments, catalog, selection)
    return points ? [latestSelect(points, kind, false)] : []
  })
  return selects.length === 0 ? [] : latestRows(computing, selects.join(' UNION ALL '))
}

async function saveLatest(
  { counters }: StoreState,
  connection: Connection,
  replaced: readonly number[],
  rows: readonly LatestRow[],
): Promise<void> {
  if (replaced.length === 0) return
  const table = `latest_${counters.latestTable}`
  await connection.run(`DELETE FROM ${table} WHERE series IN (${replaced.join()})`)
  await connection.append(table, rows.length, [
    { type: 'integer', values: Int32Array.from(rows, (row) => row.series) },
    { type: 'timestamp', values: BigInt64Array.from(rows, (row) => BigInt(row.timeMicros)) },
    { type: 'double', values: Float64Array.from(rows, (row) => Number(row.value)) },
    { type: 'text', values: rows.map(({ value }) => (typeof value === 'string' ? value : null)) },
    { type: 'tiny', values: Uint8Array.from(rows, (row) => row.quality) },
    { type: 'bigint', values: BigInt64Array.from(rows, (row) => BigInt(row.version)) },
  ])
}
