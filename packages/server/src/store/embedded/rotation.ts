import { dayMicros } from '../micros.ts'
import type { Failpoint } from './files.ts'
import { type Inventory, type PointTable, pointTable, type Segment } from './inventory.ts'
import { latestOfTable } from './latest-table.ts'
import { combined, segmentsSql, timestamp } from './points-sql.ts'
import { createPointTable, kinds, latestColumns, pointColumns } from './schema.ts'
import { listSegment, writeSegment } from './segments.ts'
import { nowMicros, type StoreState, writeMeta } from './state.ts'
import { transaction, transactionLocked } from './transaction.ts'
import { currentTable } from './write.ts'

/** Whether the tables that are written to have become too large, or too old for retention to tell what is in them. */
export function rotationDue(state: StoreState): boolean {
  const { hotPointsMax, latePointsMax } = state.options
  const old = nowMicros(state) - dayMicros
  return kinds.some((kind) => {
    const [hot, late] = [currentTable(state, kind, false), currentTable(state, kind, true)]
    return (
      hot.rows >= hotPointsMax ||
      late.rows >= latePointsMax ||
      [hot, late].some((table) => table.rows > 0 && table.arrivedMin < old)
    )
  })
}

/**
 * Gives writes new tables; the old ones are read on and become segments by `writeSegments`. The hot ones always come
 * along: what late points may repeat is in segments before they are. The caller holds the lock.
 */
export async function switchTables(state: StoreState): Promise<void> {
  const { counters, inventories } = state
  const replaced = kinds.flatMap((kind) => {
    const late = currentTable(state, kind, true)
    return [currentTable(state, kind, false), ...(late.rows > 0 ? [late] : [])]
  })
  const generation = counters.generation + 1
  const added = replaced.map(({ kind, late }) => pointTable(kind, late, generation))
  await transactionLocked(
    state,
    (connection) => connection.run(added.map(({ name, kind }) => createPointTable(name, kind)).join('')),
    () => {
      counters.generation = generation
      const { tables, segments } = inventories.current
      inventories.replace({ tables: [...tables, ...added], segments })
    },
  )
}

/** The tables that nobody writes to any more. */
export function rotatedTables(state: StoreState): PointTable[] {
  const current = kinds.flatMap((kind) => [currentTable(state, kind, false), currentTable(state, kind, true)])
  return state.inventories.current.tables.filter((table) => !current.includes(table))
}

/**
 * Makes segments of the rotated tables: sorted into a temporary file, made durable, renamed, and then listed in the
 * transaction that drops the tables and saves the latest points. A crash between any two steps repeats the whole.
 */
export async function writeSegments(state: StoreState): Promise<void> {
  const tables = rotatedTables(state)
  if (tables.length === 0) return
  const { counters, inventories } = state
  const failpoint: Failpoint = (step) => state.options.failpoint(`rotation: ${step}`)
  await failpoint('tables switched')
  const filled = tables.filter(({ rows }) => rows > 0)
  const segments: Segment[] = []
  for (const table of filled.filter(({ late }) => !late))
    segments.push(...(await writeHot(state, table, failpoint)))
  for (const table of filled.filter(({ late }) => late))
    segments.push(...(await writeLate(state, table, segments, failpoint)))
  const latestTable = await saveLatest(state, tables)
  await failpoint('latest saved')
  const next = (current: Inventory) => ({
    tables: current.tables.filter((table) => !tables.includes(table)),
    segments: [...current.segments, ...segments],
  })
  await transaction(
    state,
    (connection) =>
      connection.run(
        [
          ...segments.map(listSegment),
          ...tables.map(({ name }) => `DROP TABLE ${name};`),
          `DROP TABLE latest_${counters.latestTable};`,
          writeMeta('latest_table', latestTable),
        ].join(''),
      ),
    () => {
      counters.latestTable = latestTable
      inventories.replace(next(inventories.current))
    },
  )
  await failpoint('segments listed')
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
  const origin = { id, run: id, kind, late, arrivedMax }
  return [(await writeSegment(computing, folders, relation, origin, failpoint)) ?? []].flat()
}

/** Makes the table of latest points that takes the place of the last one, with these tables in it. */
async function saveLatest(
  { computing, counters }: StoreState,
  tables: readonly PointTable[],
): Promise<number> {
  const next = counters.latestTable + 1
  const sources = tables.filter(({ rows }) => rows > 0).map(latestOfTable)
  const all = [`SELECT ${latestColumns} FROM latest_${counters.latestTable}`, ...sources].join(' UNION ALL ')
  await computing.run(
    `DROP TABLE IF EXISTS latest_${next};
     CREATE TABLE latest_${next} AS SELECT ${latestColumns} FROM (${all})
       WHERE series IN (SELECT id FROM series)
       QUALIFY row_number() OVER (PARTITION BY series ORDER BY time DESC, version DESC) = 1`,
  )
  return next
}
