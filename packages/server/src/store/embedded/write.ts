import { fence, positionKey } from '../position.ts'
import type { Series, StoreBatch } from '../store.ts'
import type { AppendColumn } from './duckdb.ts'
import { duckdbError } from './errors.ts'
import type { PointTable } from './inventory.ts'
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
import { nowMicros, type StoreState, seriesColumns } from './state.ts'

/**
 * Points, series, quarantine, keys and the position become visible together, or nothing of it. They are in memory until
 * the tables become segments: the queue keeps what they came from. The caller holds the lock.
 */
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
  try {
    await writeTables(state, numbers, texts, newSeries)
  } catch (error) {
    for (const { id } of newSeries) latest.removeSeries(id)
    latest.resetHighWater()
    throw error
  }
  for (const { id } of batch.newSeries) catalog.used(id)
  for (const series of newSeries) catalog.add(series)
  applyPoints(state, numbers, texts)
  const changes = state.changes.at(-1)!
  changes.addBatch(batch, nowMicros(state))
  changes.series.push(...newSeries)
  changes.quarantine.push(...quarantine.add(batch))
  keys.apply(batch, changes)
  positions.set(positionKey(consumer, partition), { identity, position })
}

/** The table that points of the kind are written to now. */
export function currentTable({ inventories }: StoreState, kind: Kind, late: boolean): PointTable {
  const candidates = inventories.current.tables.filter((table) => table.kind === kind && table.late === late)
  return candidates.reduce((newest, table) => (table.generation > newest.generation ? table : newest))
}

async function writeTables(
  state: StoreState,
  numbers: Split<Rows>,
  texts: Split<TextRows>,
  newSeries: readonly Series[],
): Promise<void> {
  const { writing } = state
  const append = (kind: Kind, late: boolean, length: number, columns: () => AppendColumn[]) =>
    length > 0 && writing.append(currentTable(state, kind, late).name, length, columns())
  try {
    await writing.run('BEGIN')
    await append('numbers', false, numbers.hot.length, () => rowColumns(numbers.hot))
    await append('numbers', true, numbers.late.length, () => rowColumns(numbers.late))
    await append('texts', false, texts.hot.length, () => textColumns(texts.hot))
    await append('texts', true, texts.late.length, () => textColumns(texts.late))
    await writing.append('series', newSeries.length, seriesColumns(newSeries))
    await writing.run('COMMIT')
  } catch (error) {
    await writing.run('ROLLBACK').catch(() => {})
    throw await duckdbError(writing, error)
  }
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
