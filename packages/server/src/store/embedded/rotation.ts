import { dayMicros } from '../micros.ts'
import type { Failpoint } from './files.ts'
import { type Inventory, type PointTable, pointTable, type Segment } from './inventory.ts'
import { latestOfTable } from './latest-table.ts'
import { combined } from './points-sql.ts'
import { createPointTable, kinds, latestColumns, pointColumns } from './schema.ts'
import { listSegment, writeSegment } from './segments.ts'
import { nowMicros, type StoreState, writeMeta } from './state.ts'
import { transaction, transactionLocked } from './transaction.ts'
import { currentTable } from './write.ts'

/** Late rows below this stay in their table when hot ones are rotated: a file would be small. */
const lateRotatedShare = 0.25

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
 * Gives writes new tables; the old ones are read on and become segments by `writeSegments`. Late tables come along when
 * they are large or old enough, and then always with the hot ones: what late points may repeat is in listed segments
 * before they are in one. The caller holds the lock.
 */
export async function switchTables(state: StoreState, all = false): Promise<void> {
  const { counters, inventories, options } = state
  const old = nowMicros(state) - dayMicros
  const lateToo = (table: PointTable) =>
    all || table.rows >= lateRotatedShare * options.latePointsMax || table.arrivedMin < old
  const replaced = kinds.flatMap((kind) => {
    const late = currentTable(state, kind, true)
    return [currentTable(state, kind, false), ...(late.rows > 0 && lateToo(late) ? [late] : [])]
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
  const { computing, folders, counters, inventories } = state
  const failpoint: Failpoint = (step) => state.options.failpoint(`rotation: ${step}`)
  await failpoint('tables switched')
  const segments: Segment[] = []
  for (const table of tables.filter(({ rows }) => rows > 0)) {
    const { kind, late, arrivedMax } = table
    const id = counters.segment++
    const rows = `SELECT ${pointColumns} FROM ${table.name}`
    const relation = (late ? combined([], [rows]) : combined([rows], []))!
    const origin = { id, run: id, kind, late, arrivedMax }
    const segment = await writeSegment(computing, folders, relation, origin, failpoint)
    if (segment) segments.push(segment)
  }
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
