import { DroverError } from '@drover/protocol'
import { type Rows, splitRows, splitTexts, type TextRows } from '../embedded/rows.ts'
import { dayMicros } from '../micros.ts'
import { fence, type StoredPosition } from '../position.ts'
import type { StoreBatch } from '../store.ts'
import { copyBytes, copyColumns } from './copy.ts'
import { type Session, sqlState } from './database.ts'
import { lockSql } from './locks.ts'
import { writeKeys, writeQuarantine, writeSeries } from './records.ts'
import { nowMicros, type StoreState } from './state.ts'
import { markStale } from './sums.ts'

const uniqueViolation = '23505'
/** There is no partition for a row: another process has dropped it. */
const checkViolation = '23514'

/** One transaction. Points newer than all of their series are copied; the rest is compared with what is there. */
export function writeBatch(state: StoreState, batch: StoreBatch): Promise<void> {
  return state.lock.run(async () => {
    try {
      await attempt(state, batch, true)
    } catch (error) {
      state.marks.clear()
      const reason = sqlState(error)
      if (reason !== uniqueViolation && reason !== checkViolation) throw error
      state.partitions.forget()
      await attempt(state, batch, false).catch((again) => {
        state.marks.clear()
        throw again
      })
    }
    state.durable.tell(batch.position)
  })
}

interface PointRows {
  readonly copied: Rows
  readonly compared: Rows
  readonly texts: TextRows
}

async function attempt(state: StoreState, batch: StoreBatch, copying: boolean): Promise<void> {
  const { schema, writing, marks, partitions } = state
  await partitions.make(partitionStarts(state, batch))
  await writing.transaction(async (session) => {
    const found = await session.statements(
      `${lockSql('writing', schema, true)}; SELECT closed, epoch FROM ${schema}.state`,
    )
    const { closed, epoch } = found[1]![0] as { closed: number; epoch: number }
    await movePosition(session, schema, batch.position)
    await writeSeries(session, schema, batch.newSeries)
    marks.atEpoch(epoch)
    await marks.load(session, schema, seriesOf(batch))
    const rows = divided(state, batch, copying && state.options.copies)
    await writePoints(state, session, rows)
    await moveNewest(state, session, rows)
    await markStale(session, schema, [rows.copied, rows.compared], closed)
    await writeQuarantine(session, schema, batch)
    await writeKeys(session, schema, batch)
  })
}

function* seriesOf({ numbers, texts }: StoreBatch): Iterable<number> {
  for (let at = 0; at < numbers.length; at++) yield numbers.series[at]!
  for (const { series } of texts) yield series
}

function partitionStarts({ partitions }: StoreState, { numbers, texts }: StoreBatch): Set<number> {
  const starts = new Set<number>()
  for (let at = 0; at < numbers.length; at++) starts.add(partitions.startOf(numbers.timeAt(at)))
  for (const { timeMicros } of texts) starts.add(partitions.startOf(timeMicros))
  return starts
}

/** Only what no point can be in the way of is copied. */
function divided({ marks }: StoreState, batch: StoreBatch, copying: boolean): PointRows {
  const highWater = copying ? marks.highWater : new Float64Array(marks.highWater.length).fill(Infinity)
  const numbers = splitRows(batch.numbers, highWater, marks.known)
  const texts = splitTexts(batch.texts, highWater, marks.known)
  return { copied: numbers.hot, compared: numbers.late, texts: [...texts.hot, ...texts.late] }
}

/** Throws `positionConflict` or `identityMismatch` if another moved it. */
async function movePosition(session: Session, schema: string, moved: StoreBatch['position']): Promise<void> {
  const { consumer, partition, identity, expected, expectedIdentity, position } = moved
  const changed =
    expected === undefined
      ? await session.run(`INSERT INTO ${schema}.positions VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, [
          consumer,
          partition,
          identity,
          position,
        ])
      : await session.run(
          `UPDATE ${schema}.positions SET identity = $3, position = $4
           WHERE consumer = $1 AND partition = $2 AND identity = $5 AND position = $6`,
          [consumer, partition, identity, position, expectedIdentity ?? identity, expected],
        )
  if (changed === 1) return
  fence(await storedPosition(session, schema, consumer, partition), moved)
  throw new DroverError('positionConflict', { expected: expected ?? 'none', actual: 'moving' })
}

export async function storedPosition(
  session: Session,
  schema: string,
  consumer: string,
  partition: number,
): Promise<StoredPosition | undefined> {
  const [row] = await session.rows<StoredPosition>(
    `SELECT identity, position FROM ${schema}.positions WHERE consumer = $1 AND partition = $2`,
    [consumer, partition],
  )
  return row
}

async function writePoints(state: StoreState, session: Session, rows: PointRows): Promise<void> {
  const { schema } = state
  const arrived = Math.floor(nowMicros(state) / dayMicros)
  const { copied, compared, texts } = rows
  if (copied.length > 0)
    await session.copy(
      `COPY ${schema}.points (${copyColumns}) FROM STDIN (FORMAT binary)`,
      copyBytes(copied, arrived),
    )
  if (compared.length > 0)
    await session.run(compareSql(`${schema}.points`, 'double precision'), [
      Array.from(compared.series),
      Array.from(compared.quality),
      arrived,
      Array.from(compared.series, (_, at) => timeAt(compared, at)),
      Array.from(compared.value),
      Array.from(compared.series, (_, at) => half(compared.versions, at)),
    ])
  if (texts.length > 0)
    await session.run(compareSql(`${schema}.texts`, 'bytea'), [
      texts.map((point) => point.series),
      texts.map((point) => point.quality),
      arrived,
      texts.map((point) => point.timeMicros),
      texts.map((point) => Buffer.from(point.text)),
      texts.map((point) => point.version),
    ])
}

function compareSql(table: string, value: string): string {
  return `INSERT INTO ${table} AS old (series, quality, arrived, time, value, version)
    SELECT series, quality, $3::smallint, time, value, version
    FROM unnest($1::integer[], $2::smallint[], $4::bigint[], $5::${value}[], $6::bigint[])
      AS new (series, quality, time, value, version) ORDER BY series, time
    ON CONFLICT (series, time) DO UPDATE SET quality = excluded.quality, arrived = excluded.arrived,
      value = excluded.value, version = excluded.version WHERE excluded.version >= old.version`
}

const half = (column: Uint32Array, at: number) => column[2 * at]! + column[2 * at + 1]! * 0x1_0000_0000
const timeAt = (rows: Rows, at: number) => half(rows.times, at)

/** Where the latest points are looked for from on: it moves once a partition. */
async function moveNewest(state: StoreState, session: Session, rows: PointRows): Promise<void> {
  const { marks, partitions, schema } = state
  const move = async (column: string, newest: Float64Array, moved: ReadonlyMap<number, number>) => {
    if (moved.size === 0) return
    await session.run(
      `UPDATE ${schema}.series SET ${column} = greatest(${column}, start)
       FROM unnest($1::integer[], $2::bigint[]) AS moved (series, start) WHERE id = series`,
      [[...moved.keys()], [...moved.values()]],
    )
    for (const [series, start] of moved) newest[series] = start
  }
  const numbers = new Map<number, number>()
  for (const part of [rows.copied, rows.compared])
    for (let at = 0; at < part.length; at++) {
      const [series, time] = [part.series[at]!, timeAt(part, at)]
      const from = numbers.get(series) ?? marks.newestNumber[series]!
      if (from < 0 || time >= from + partitions.widthMicros) numbers.set(series, partitions.startOf(time))
    }
  const texts = new Map<number, number>()
  for (const { series, timeMicros } of rows.texts) {
    const from = texts.get(series) ?? marks.newestText[series]!
    if (from < 0 || timeMicros >= from + partitions.widthMicros)
      texts.set(series, partitions.startOf(timeMicros))
  }
  await move('newest_number', marks.newestNumber, numbers)
  await move('newest_text', marks.newestText, texts)
}
