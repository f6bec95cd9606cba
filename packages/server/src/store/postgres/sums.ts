import { DroverError } from '@drover/protocol'
import type { Rows } from '../embedded/rows.ts'
import { dayMicros } from '../micros.ts'
import type { Session } from './database.ts'
import { lockSql } from './locks.ts'
import { earliest, hourMicros, latest, sumColumns, sumTables } from './schema.ts'
import { nowMicros, type StoreState } from './state.ts'

/**
 * Points summed up by series, quality and hour, and those by the day, for charts over long times and whole fleets. Hours are
 * summed up once they are over; a write that touches one after that marks it in `stale`, and until it is summed up again,
 * whoever reads takes its points. Series 0 stands there for all.
 */

/** How long after its end an hour is summed up. */
const graceMicros = 600_000_000
/** Series in one hour and batch that are marked one by one. */
const marksOfHourMax = 1000
/** Marks that one transaction works off. */
const seriesMarksAtOnce = 5000
const wholeMarksAtOnce = 24

/** Of points that are written, marks the hours that were closed. The lock on a mark keeps its hour from being summed up meanwhile. */
export async function markStale(
  session: Session,
  schema: string,
  written: readonly Rows[],
  closed: number,
): Promise<void> {
  const hours = new Map<number, Set<number>>()
  for (const { length, series, times } of written)
    for (let at = 0; at < length; at++) {
      const time = times[2 * at]! + times[2 * at + 1]! * 0x1_0000_0000
      if (time >= closed) continue
      const start = time - (time % hourMicros)
      const touched = hours.get(start)
      if (touched) touched.add(series[at]!)
      else hours.set(start, new Set([series[at]!]))
    }
  const marks = [...hours].flatMap(([start, touched]) =>
    [...(touched.size > marksOfHourMax ? [0] : touched)].map((series) => ({ series, start })),
  )
  await addMarks(session, schema, marks)
}

interface Mark {
  readonly series: number
  readonly start: number
}

async function addMarks(session: Session, schema: string, marks: readonly Mark[]): Promise<void> {
  if (marks.length === 0) return
  await session.run(
    `INSERT INTO ${schema}.stale SELECT * FROM unnest($1::integer[], $2::bigint[]) AS new (series, start)
     ORDER BY start, series ON CONFLICT (start, series) DO UPDATE SET series = excluded.series`,
    [marks.map(({ series }) => series), marks.map(({ start }) => start)],
  )
}

/** Sums up what is over and what has changed since. The caller sees to it that nobody else does. */
export async function refreshSums(state: StoreState): Promise<void> {
  const { schema, tidying } = state
  await closeHours(state)
  while (await tidying.transaction((session) => sumClosed(state, session)));
  for (const [which, atOnce] of [
    ['series = 0', wholeMarksAtOnce],
    ['series <> 0', seriesMarksAtOnce],
  ] as const)
    while (await tidying.transaction((session) => sumStale(session, schema, which, atOnce)));
}

/** From here on writes mark what they touch before that time; those that began earlier have ended. */
async function closeHours(state: StoreState): Promise<void> {
  const { schema, tidying } = state
  const over = nowMicros(state) - graceMicros
  await tidying.transaction(async (session) => {
    await session.statements(lockSql('writing', schema))
    await session.run(`UPDATE ${schema}.state SET closed = $1 WHERE closed < $1`, [
      over - (over % hourMicros),
    ])
  })
}

/** The closed hours of one partition; answers whether more are left. */
async function sumClosed({ schema, partitions }: StoreState, session: Session): Promise<boolean> {
  const [state] = await session.rows<{ closed: number; done: number }>(
    `SELECT closed, done FROM ${schema}.state`,
  )
  const { closed, done } = state!
  const starts = (await partitions.of(session, 'points')).filter(({ to }) => to > done)
  const from = Math.max(done, Math.min(closed, ...starts.map((partition) => partition.from)))
  const to = Math.min(closed, partitions.startOf(from) + partitions.widthMicros)
  if (to <= done) return false
  await session.run(hoursSql(schema, `${schema}.points WHERE time >= $1 AND time < $2`), [from, to])
  await session.run(daysSql(schema, `${schema}.hours WHERE start >= $1 AND start < $2`), [
    dayOf(from),
    dayOf(to),
  ])
  const moved = await session.run(`UPDATE ${schema}.state SET done = $1 WHERE done = $2`, [to, done])
  if (moved === 0) throw new DroverError('storeUnavailable', { reason: 'another process sums up as well' })
  return to < closed
}

const dayOf = (time: number) => time - (time % dayMicros)

function hoursSql(schema: string, source: string): string {
  return `INSERT INTO ${schema}.hours (series, start, quality, ${sumColumns})
    SELECT series, time / ${hourMicros} * ${hourMicros} AS hour, quality, count(*), min(value), max(value), sum(value),
      ${earliest(['time', 'value'])}, min(time), ${latest(['time', 'value'])}, max(time)
    FROM ${source} GROUP BY hour, series, quality ORDER BY hour, series`
}

function daysSql(schema: string, source: string): string {
  return `INSERT INTO ${schema}.days (series, start, quality, ${sumColumns})
    SELECT series, start / ${dayMicros} * ${dayMicros} AS day, quality, sum(points), min(low), max(high), sum(total),
      ${earliest(['first_time', 'first'])}, min(first_time), ${latest(['last_time', 'last'])}, max(last_time)
    FROM ${source} GROUP BY day, series, quality ORDER BY day, series`
}

/** Works off some marks that are not being written now; answers whether more may be left. */
async function sumStale(session: Session, schema: string, which: string, atOnce: number): Promise<boolean> {
  const [state] = await session.rows<{ done: number }>(`SELECT done FROM ${schema}.state`)
  const marks = await session.rows<Mark>(
    `DELETE FROM ${schema}.stale WHERE (start, series) IN
       (SELECT start, series FROM ${schema}.stale WHERE ${which} AND start < $1 LIMIT ${atOnce}
        FOR UPDATE SKIP LOCKED) RETURNING series, start`,
    [state!.done],
  )
  const daysDone = dayOf(state!.done)
  const days = new Map(
    marks
      .map(({ series, start }) => ({ series, start: dayOf(start) }))
      .filter(({ start }) => start < daysDone)
      .map((mark) => [`${mark.series}/${mark.start}`, mark]),
  )
  await sumMarked(session, schema, 'hours', marks)
  await sumMarked(session, schema, 'days', [...days.values()])
  return marks.length === atOnce
}

async function sumMarked(
  session: Session,
  schema: string,
  table: 'hours' | 'days',
  marks: readonly Mark[],
): Promise<void> {
  if (marks.length === 0) return
  const [source, time, width] =
    table === 'hours' ? ['points', 'time', hourMicros] : ['hours', 'start', dayMicros]
  const insert = table === 'hours' ? hoursSql : daysSql
  const values = [marks.map(({ series }) => series), marks.map(({ start }) => start)]
  const marked = `unnest($1::integer[], $2::bigint[]) AS mark (of, since)`
  const of = marks[0]!.series === 0 ? 'true' : 'series = of'
  await session.run(`DELETE FROM ${schema}.${table} USING ${marked} WHERE start = since AND ${of}`, values)
  // A subquery that cannot be pulled up is asked once a mark, by the index.
  await session.run(
    insert(
      schema,
      `${marked} CROSS JOIN LATERAL (SELECT * FROM ${schema}.${source} WHERE ${of}
      AND ${time} >= since AND ${time} < since + ${width} OFFSET 0) AS found`,
    ),
    values,
  )
}

/** After points before a time were dropped: sums of them are gone, and what is left there is marked. */
export async function dropSums(session: Session, schema: string, olderThan: number): Promise<void> {
  const before = Math.ceil(olderThan / dayMicros) * dayMicros
  for (const { table } of sumTables)
    await session.run(`DELETE FROM ${schema}.${table} WHERE start < $1`, [before])
  const left = await session.rows<Mark>(
    `SELECT DISTINCT 0 AS series, time / ${hourMicros} * ${hourMicros} AS start FROM ${schema}.points WHERE time < $1`,
    [before],
  )
  await addMarks(session, schema, left)
}
