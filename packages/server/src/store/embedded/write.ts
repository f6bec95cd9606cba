import { fence } from '../position.ts'
import type { Series, StoreBatch } from '../store.ts'
import { type Connection, literal } from './duckdb.ts'
import type { PointTable } from './inventory.ts'
import { droppedColumns, quarantineColumns } from './quarantine.ts'
import {
  type Rows,
  rowColumns,
  type Split,
  splitRows,
  splitTexts,
  type TextRows,
  textColumns,
} from './rows.ts'
import type { Kind } from './schema.ts'
import { nowMicros, positionKey, type StoreState, writeMeta } from './state.ts'
import { transactionLocked } from './transaction.ts'

/** One transaction: points, series, quarantine, keys and the position, or nothing of it. The caller holds the lock. */
export async function writeBatch(state: StoreState, batch: StoreBatch): Promise<void> {
  const { latest, catalog, keys, quarantine, positions } = state
  const { consumer, partition, identity, position } = batch.position
  fence(positions.get(positionKey(consumer, partition)), batch.position)
  const newSeries = batch.newSeries.filter(
    ({ id, deviceUid }) => !catalog.get(id) && !catalog.isDeletedDevice(deviceUid),
  )
  for (const { id } of newSeries) latest.addSeries(id)
  const numbers = splitRows(batch.numbers, latest.highWater, latest.known)
  const texts = splitTexts(batch.texts, latest.highWater, latest.known)
  const keyChanges = keys.changesOf(batch)
  try {
    await transactionLocked(state, async (connection) => {
      await writePoints(state, connection, numbers, texts)
      await writeSeries(connection, batch.newSeries, newSeries, catalog.next)
      await connection.append(
        'quarantine',
        batch.quarantine.length,
        quarantineColumns(batch.quarantine, quarantine.nextId),
      )
      await connection.append(
        'quarantine_dropped',
        batch.quarantineDropped.size,
        droppedColumns(batch.quarantineDropped),
      )
      await connection.append('message_keys', keyChanges.length, keys.rows(keyChanges))
      await movePosition(connection, batch.position)
    })
  } catch (error) {
    for (const { id } of newSeries) latest.removeSeries(id)
    latest.resetHighWater()
    throw error
  }
  for (const series of newSeries) catalog.add(series)
  applyPoints(state, numbers, texts)
  quarantine.add(batch.quarantine, batch.quarantineDropped)
  keys.apply(keyChanges)
  positions.set(positionKey(consumer, partition), { identity, position })
}

/** The table that points of the kind are written to now. */
export function currentTable({ inventories }: StoreState, kind: Kind, late: boolean): PointTable {
  const candidates = inventories.current.tables.filter((table) => table.kind === kind && table.late === late)
  return candidates.reduce((newest, table) => (table.generation > newest.generation ? table : newest))
}

async function writePoints(
  state: StoreState,
  connection: Connection,
  numbers: Split<Rows>,
  texts: Split<TextRows>,
): Promise<void> {
  const append = (kind: Kind, late: boolean, length: number, columns: ReturnType<typeof rowColumns>) =>
    connection.append(currentTable(state, kind, late).name, length, columns)
  await append('numbers', false, numbers.hot.length, rowColumns(numbers.hot))
  await append('numbers', true, numbers.late.length, rowColumns(numbers.late))
  if (texts.hot.length > 0) await append('texts', false, texts.hot.length, textColumns(texts.hot))
  if (texts.late.length > 0) await append('texts', true, texts.late.length, textColumns(texts.late))
}

async function writeSeries(
  connection: Connection,
  used: readonly Series[],
  added: readonly Series[],
  next: number,
): Promise<void> {
  if (used.length === 0) return
  await connection.append('series', added.length, [
    { type: 'integer', values: Int32Array.from(added, (series) => series.id) },
    { type: 'integer', values: Int32Array.from(added, (series) => series.tenant) },
    { type: 'integer', values: Int32Array.from(added, (series) => series.deviceUid) },
    { type: 'text', values: added.map((series) => series.metric) },
    { type: 'text', values: added.map((series) => series.type) },
    { type: 'text', values: added.map((series) => series.unit) },
  ])
  const afterUsed = 1 + Math.max(...used.map((series) => series.id))
  await connection.run(writeMeta('series_next', Math.max(next, afterUsed)))
}

async function movePosition(connection: Connection, moved: StoreBatch['position']): Promise<void> {
  const { consumer, partition, identity, expected, expectedIdentity = identity, position } = moved
  const changed = await connection.run(
    expected === undefined
      ? `INSERT INTO positions VALUES (${literal(consumer)}, ${partition}, ${literal(identity)}, ${position})`
      : `UPDATE positions SET position = ${position}, identity = ${literal(identity)} WHERE consumer = ${literal(consumer)}
           AND partition = ${partition} AND identity = ${literal(expectedIdentity)} AND position = ${expected}`,
  )
  if (changed !== 1) fence(undefined, moved)
}

function applyPoints(state: StoreState, numbers: Split<Rows>, texts: Split<TextRows>): void {
  const { latest } = state
  latest.putRows(numbers.hot)
  latest.putRows(numbers.late)
  latest.putTexts(texts.hot)
  latest.putTexts(texts.late)
  for (const late of [false, true]) {
    const rows = late ? numbers.late : numbers.hot
    if (rows.length > 0) count(state, currentTable(state, 'numbers', late), rows.length, rowTimes(rows))
    const lines = late ? texts.late : texts.hot
    if (lines.length > 0) count(state, currentTable(state, 'texts', late), lines.length, textTimes(lines))
  }
}

type Times = (visit: (series: number, time: number) => void) => void

function rowTimes({ length, series, times }: Rows): Times {
  return (visit) => {
    for (let at = 0; at < length; at++)
      visit(series[at]!, times[2 * at]! + times[2 * at + 1]! * 0x1_0000_0000)
  }
}

function textTimes(rows: TextRows): Times {
  return (visit) => {
    for (const { series, timeMicros } of rows) visit(series, timeMicros)
  }
}

function count(state: StoreState, table: PointTable, rows: number, times: Times): void {
  const now = nowMicros(state)
  table.rows += rows
  table.arrivedMin = Math.min(table.arrivedMin, now)
  table.arrivedMax = Math.max(table.arrivedMax, now)
  let { timeMin, timeMax } = table
  times((series, time) => {
    if (time < timeMin) timeMin = time
    if (time > timeMax) timeMax = time
    if (table.late) countLate(table, series, time)
  })
  Object.assign(table, { timeMin, timeMax })
}

function countLate(table: PointTable, series: number, time: number): void {
  const seen = table.series.get(series)
  if (!seen) table.series.set(series, { min: time, max: time })
  else {
    seen.min = Math.min(seen.min, time)
    seen.max = Math.max(seen.max, time)
  }
}
