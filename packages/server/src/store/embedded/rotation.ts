import { dayMicros } from '../micros.ts'
import { Changes } from './changes.ts'
import { duckdbError } from './errors.ts'
import type { Failpoint } from './files.ts'
import { type Inventory, type PointTable, pointTable, type Segment } from './inventory.ts'
import { latestOfFile, latestOfTable, writeLatest } from './latest-file.ts'
import { writeMeta } from './ledger.ts'
import { combined, segmentsSql, timestamp } from './points-sql.ts'
import { createPointTable, kinds, pointColumns } from './schema.ts'
import { listSegments, writeSegment } from './segments.ts'
import { nowMicros, type StoreState } from './state.ts'
import { currentTable } from './write.ts'

/**
 * Whether what is in memory only has become too much: points, or messages that would have to be read again after a crash;
 * or too old for retention to tell what is in it.
 */
export function rotationDue(state: StoreState): boolean {
  const { hotPointsMax, latePointsMax, replayBytesMax } = state.options
  const changes = state.changes.at(-1)!
  return (
    changes.queueBytes >= replayBytesMax ||
    changes.messages >= hotPointsMax ||
    changes.startedMicros < nowMicros(state) - dayMicros ||
    kinds.some(
      (kind) =>
        currentTable(state, kind, false).rows >= hotPointsMax ||
        currentTable(state, kind, true).rows >= latePointsMax,
    )
  )
}

/**
 * Gives writes new tables; the old ones are read on and become segments by `writeSegments`. The hot ones always come
 * along: what late points may repeat is in segments before they are. The caller holds the lock.
 */
export async function switchTables(state: StoreState): Promise<void> {
  const { counters, inventories, writing } = state
  const generation = counters.generation + 1
  const added = kinds.flatMap((kind) => [
    pointTable(kind, false, generation),
    pointTable(kind, true, generation),
  ])
  try {
    await writing.run(added.map(createPointTable).join(';'))
  } catch (error) {
    throw await duckdbError(writing, error)
  }
  counters.generation = generation
  inventories.replace({ ...inventories.current, tables: [...inventories.current.tables, ...added] })
  state.changes.push(new Changes())
}

/** The tables that nobody writes to any more. */
export function rotatedTables({ counters, inventories }: StoreState): PointTable[] {
  return inventories.current.tables.filter(({ generation }) => generation < counters.generation)
}

/**
 * Makes segments of the rotated tables: sorted into a temporary file, made durable, renamed, and then listed in the
 * transaction that moves the durable position. A crash between any two steps repeats the whole from the queue.
 */
export async function writeSegments(state: StoreState): Promise<void> {
  const tables = rotatedTables(state)
  if (tables.length === 0) return
  const { changes, inventories, ledger, catalog, quarantine } = state
  const rotated = changes.slice(0, -1)
  const failpoint: Failpoint = (step) => state.options.failpoint(`rotation: ${step}`)
  await failpoint('tables switched')
  const filled = tables.filter(({ rows }) => rows > 0)
  const segments = filled.length > 0 ? await segmentsOf(state, filled, failpoint) : []
  const latest = filled.length > 0 ? await saveLatest(state, filled, failpoint) : inventories.current.latest
  await failpoint('latest saved')
  const next = (current: Inventory): Inventory => ({
    tables: current.tables.filter((table) => !tables.includes(table)),
    segments: [...current.segments, ...segments],
    latest,
  })
  await ledger.transaction(
    async (db) => {
      for (const each of rotated) await each.save(db)
      listSegments(db, segments)
      writeMeta(db, 'seriesNext', catalog.next)
      writeMeta(db, 'quarantineNext', quarantine.nextId)
      if (latest) writeMeta(db, 'latest', latest)
    },
    () => {
      changes.splice(0, rotated.length)
      inventories.replace(next(inventories.current))
    },
  )
  for (const { positions } of rotated) for (const position of positions) state.durable.tell(position)
  await failpoint('segments listed')
}

async function segmentsOf(
  state: StoreState,
  tables: readonly PointTable[],
  failpoint: Failpoint,
): Promise<Segment[]> {
  const segments: Segment[] = []
  for (const table of tables.filter(({ late }) => !late))
    segments.push(...(await writeHot(state, table, failpoint)))
  for (const table of tables.filter(({ late }) => late))
    segments.push(...(await writeLate(state, table, segments, failpoint)))
  return segments
}

async function writeHot(state: StoreState, table: PointTable, failpoint: Failpoint): Promise<Segment[]> {
  return writeRows(state, table, `(SELECT ${pointColumns} FROM ${table.name})`, false, failpoint)
}

/**
 * Late points whose (series, time) no segment holds are as unique as others. Of the rest, those with a higher version
 * than the stored point stay late; the others have lost.
 */
async function writeLate(
  state: StoreState,
  table: PointTable,
  fresh: readonly Segment[],
  failpoint: Failpoint,
): Promise<Segment[]> {
  const { computing, inventories, folders } = state
  const newest = combined([], [`SELECT ${pointColumns} FROM ${table.name}`])!
  const unique = [...inventories.current.segments, ...fresh].filter(
    (segment) =>
      !segment.late &&
      segment.kind === table.kind &&
      segment.timeMin <= table.timeMax &&
      segment.timeMax >= Math.max(table.timeMin, segment.cut),
  )
  const stored = segmentsSql(unique, folders.segments, [
    `time BETWEEN ${timestamp(table.timeMin)} AND ${timestamp(table.timeMax)}`,
  ])
  const compared =
    stored.length === 0
      ? `SELECT *, NULL::BIGINT AS stored FROM ${newest}`
      : `SELECT l.*, u.version AS stored FROM (${stored.join(' UNION ALL ')}) u
           RIGHT JOIN ${newest} l ON u.series = l.series AND u.time = l.time`
  await computing.run(`CREATE OR REPLACE TEMP TABLE late_compared AS ${compared}`)
  const segments = [
    ...(await writeRows(state, table, '(FROM late_compared WHERE stored IS NULL)', false, failpoint)),
    ...(await writeRows(state, table, '(FROM late_compared WHERE version > stored)', true, failpoint)),
  ]
  await computing.run('DROP TABLE late_compared')
  return segments
}

async function writeRows(
  { counters, computing, folders }: StoreState,
  { kind, arrivedMax }: PointTable,
  relation: string,
  late: boolean,
  failpoint: Failpoint,
): Promise<Segment[]> {
  const id = counters.segment++
  // Sums come with the merge, which is soon.
  const origin = { id, run: id, kind, late, arrivedMax, summed: false }
  return [(await writeSegment(computing, folders, relation, origin, failpoint)) ?? []].flat()
}

/** The file of latest points that takes the place of the last one, with these tables in it. */
function saveLatest(state: StoreState, tables: readonly PointTable[], failpoint: Failpoint): Promise<string> {
  const { computing, counters, folders, inventories } = state
  const sources = [...latestOfFile(inventories.current, folders), ...tables.map(latestOfTable)]
  return writeLatest(computing, folders, ++counters.latest, sources, failpoint)
}
