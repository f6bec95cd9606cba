import type { Segment } from './inventory.ts'
import { merge } from './merge.ts'
import { filesSql } from './points-sql.ts'
import type { StoreState } from './state.ts'

/** Rewrites one segment that still holds points of deleted series; answers whether there was one. */
export async function purgeOnce(state: StoreState): Promise<boolean> {
  const { catalog, inventories } = state
  const dead = [...catalog.tombstones.keys()]
  if (dead.length === 0) return false
  const segment = await firstHolding(state, inventories.current.segments, dead)
  if (segment) {
    const { kind, late, run } = segment
    await merge(state, { kind, late, inputs: [segment], run })
    return true
  }
  if (!(await tablesHold(state, dead))) await forget(state, dead)
  return false
}

async function firstHolding(
  { computing, folders }: StoreState,
  segments: readonly Segment[],
  dead: readonly number[],
): Promise<Segment | undefined> {
  for (const segment of segments) {
    const within = dead.filter((id) => id >= segment.seriesMin && id <= segment.seriesMax)
    if (within.length === 0) continue
    const [found] = await computing.columns(
      `SELECT series FROM ${filesSql([segment], folders.segments)} WHERE series IN (${within.join()}) LIMIT 1`,
    )
    if (found!.length > 0) return segment
  }
  return undefined
}

async function tablesHold({ computing, inventories }: StoreState, dead: readonly number[]): Promise<boolean> {
  for (const { name, rows } of inventories.current.tables) {
    if (rows === 0) continue
    const [found] = await computing.columns(
      `SELECT series FROM ${name} WHERE series IN (${dead.join()}) LIMIT 1`,
    )
    if (found!.length > 0) return true
  }
  return false
}

async function forget({ ledger, catalog }: StoreState, dead: readonly number[]): Promise<void> {
  await ledger.transaction(
    (db) => {
      const remove = db.prepare('DELETE FROM tombstones WHERE series = ?')
      for (const id of dead) remove.run(id)
    },
    () => catalog.removeTombstones(dead),
  )
}
