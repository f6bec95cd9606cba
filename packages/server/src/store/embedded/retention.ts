import { dayMicros } from '../micros.ts'
import { duckdbError } from './errors.ts'
import type { Failpoint } from './files.ts'
import type { Inventory, Segment, Sources } from './inventory.ts'
import {
  type LatestRow,
  latestOfFile,
  latestRows,
  latestSelect,
  putLatest,
  writeLatest,
} from './latest-file.ts'
import { writeMeta } from './ledger.ts'
import { pointsSql, timestamp } from './points-sql.ts'
import { kinds } from './schema.ts'
import { unlistSegments } from './segments.ts'
import { nowMicros, type StoreState } from './state.ts'

/**
 * Drops points before a time from segments whose points all arrived more than a day ago: whole files, or by a cut that
 * readers respect at once and the next merge carries out. Rotated tables are segments by now.
 */
export async function applyRetention(state: StoreState, olderThanMicros: number): Promise<void> {
  const { catalog, inventories, latest, ledger } = state
  const before = inventories.current.segments
  const segments = retained(before, olderThanMicros, nowMicros(state) - dayMicros)
  const dropped = before.filter(({ id }) => !segments.some((segment) => segment.id === id))
  const cut = segments.filter((segment) => !before.includes(segment))
  if (dropped.length + cut.length === 0) return
  const file = await latestAfter(state, segments, olderThanMicros)
  // No write may come between looking for what is left of a series and saying so.
  await state.lock.run(async () => {
    const affected = [...catalog.all()]
      .map(({ id }) => id)
      .filter((id) => (latest.timeOf(id) ?? olderThanMicros) < olderThanMicros)
    const next = { ...inventories.current, segments, latest: file }
    const left = await latestIn(state, next, affected)
    await ledger.transaction(
      (db) => {
        unlistSegments(db, dropped)
        const update = db.prepare('UPDATE segments SET cut = ? WHERE id = ?')
        for (const segment of cut) update.run(segment.cut, segment.id)
        if (file) writeMeta(db, 'latest', file)
      },
      () => {
        inventories.replace(next)
        for (const id of affected) latest.clear(id)
        for (const point of left) putLatest(latest, point)
      },
    )
  })
}

function retained(segments: readonly Segment[], olderThan: number, arrivedBefore: number): Segment[] {
  return segments.flatMap((segment) => {
    if (segment.arrivedMax >= arrivedBefore || segment.timeMin >= olderThan) return segment
    if (segment.timeMax < olderThan) return []
    return segment.cut >= olderThan ? segment : { ...segment, cut: olderThan }
  })
}

/** The file of latest points once these are the segments. */
async function latestAfter(
  state: StoreState,
  segments: readonly Segment[],
  olderThanMicros: number,
): Promise<string | undefined> {
  const { computing, counters, folders, inventories, options } = state
  const [current] = latestOfFile(inventories.current, folders)
  if (!current) return undefined
  const older = `time < ${timestamp(olderThanMicros)}`
  const affected = await latestRows(computing, `${current} WHERE ${older}`)
  if (affected.length === 0) return inventories.current.latest
  const left = latestOfPoints(
    state,
    { tables: [], segments },
    affected.map(({ series }) => series),
  )
  const failpoint: Failpoint = (step) => options.failpoint(`retention: ${step}`)
  const sources = [`${current} WHERE NOT ${older}`, ...left]
  return writeLatest(computing, folders, ++counters.latest, sources, failpoint)
}

/** The latest points of these series in the tables and in the file of latest points. */
async function latestIn(
  state: StoreState,
  { tables, latest }: Inventory,
  seriesIds: readonly number[],
): Promise<LatestRow[]> {
  if (seriesIds.length === 0) return []
  const { folders, writing } = state
  const ofFile = latestOfFile({ latest }, folders).map(
    (select) => `${select} WHERE series IN (${seriesIds.join()})`,
  )
  const ofTables = latestOfPoints(state, { tables, segments: [] }, seriesIds)
  const selects = [...ofFile, ...ofTables]
  try {
    return selects.length === 0 ? [] : await latestRows(writing, selects.join(' UNION ALL '))
  } catch (error) {
    throw await duckdbError(writing, error)
  }
}

function latestOfPoints(
  { catalog, folders }: StoreState,
  sources: Sources,
  seriesIds: readonly number[],
): string[] {
  return kinds.flatMap((kind) => {
    const selection = { kind, seriesIds, fromMicros: 0, toMicros: Number.MAX_SAFE_INTEGER }
    const points = pointsSql(sources, folders.segments, catalog, selection)
    return points ? [latestSelect(points, kind, false)] : []
  })
}
