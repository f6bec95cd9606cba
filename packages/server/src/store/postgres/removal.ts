import { dayMicros } from '../micros.ts'
import type { Session } from './database.ts'
import { lockSql } from './locks.ts'
import { pointTables } from './partitions.ts'
import { nowMicros, type StoreState } from './state.ts'
import { dropSums } from './sums.ts'

/** Hides all that a device sent; its points are removed by `purge`. */
export function deleteDevice({ schema, writing }: StoreState, deviceUid: number): Promise<void> {
  return writing.transaction(async (session) => {
    await session.statements(`${lockSql('writing', schema)}; UPDATE ${schema}.state SET epoch = epoch + 1`)
    await session.run(`INSERT INTO ${schema}.deleted_devices VALUES ($1) ON CONFLICT DO NOTHING`, [deviceUid])
    await session.run(
      `WITH gone AS (DELETE FROM ${schema}.series WHERE device_uid = $1 RETURNING id)
       INSERT INTO ${schema}.deleted_series SELECT id FROM gone ON CONFLICT DO NOTHING`,
      [deviceUid],
    )
    for (const table of ['message_keys', 'quarantine', 'quarantine_dropped'])
      await session.run(`DELETE FROM ${schema}.${table} WHERE device_uid = $1`, [deviceUid])
  })
}

/** Series whose points one transaction removes. */
const purgedAtOnce = 100

/** Removes the points of deleted series; a write cannot bring any back. */
export async function purge({ schema, tidying }: StoreState): Promise<void> {
  let removed = 0
  do {
    removed = await tidying.transaction(async (session) => {
      const gone = await session.arrays(
        `DELETE FROM ${schema}.deleted_series WHERE id IN
           (SELECT id FROM ${schema}.deleted_series LIMIT ${purgedAtOnce} FOR UPDATE SKIP LOCKED) RETURNING id`,
      )
      const ids = gone.map(([id]) => id)
      for (const table of [...pointTables, 'hours', 'days', 'stale'])
        await session.run(`DELETE FROM ${schema}.${table} WHERE series = ANY($1::integer[])`, [ids])
      return ids.length
    })
  } while (removed === purgedAtOnce)
}

/** Drops whole partitions where it can, and rows at the edge and where some of a partition arrived late. */
export function applyRetention(state: StoreState, olderThanMicros: number): Promise<void> {
  const { schema, writing, partitions } = state
  const olderThan = Math.ceil(olderThanMicros)
  // In whole days: what arrived within the last day is kept for up to two.
  const arrivedBefore = Math.floor(nowMicros(state) / dayMicros) - 1
  return writing.transaction(async (session) => {
    await session.statements(`${lockSql('writing', schema)}; SET LOCAL lock_timeout = '5s'`)
    for (const table of pointTables)
      for (const { name, from, to } of await partitions.of(session, table))
        if (to <= olderThan && !(await holdsRecent(session, name, arrivedBefore)))
          await partitions.drop(session, table, { name, from, to })
    for (const table of pointTables)
      await session.run(`DELETE FROM ${schema}.${table} WHERE time < $1 AND arrived < $2`, [
        olderThan,
        arrivedBefore,
      ])
    await dropSums(session, schema, olderThan)
    await lowerNewest(session, schema, olderThan, partitions.widthMicros)
    await session.statements(`UPDATE ${schema}.state SET epoch = epoch + 1`)
    partitions.forget()
  })
}

async function holdsRecent(session: Session, partition: string, arrivedBefore: number): Promise<boolean> {
  const found = await session.arrays(`SELECT FROM ${partition} WHERE arrived >= $1 LIMIT 1`, [arrivedBefore])
  return found.length > 0
}

/** The latest points of some series are gone: theirs may now be anywhere before, or nowhere. */
async function lowerNewest(
  session: Session,
  schema: string,
  olderThan: number,
  width: number,
): Promise<void> {
  for (const [table, column] of [
    ['points', 'newest_number'],
    ['texts', 'newest_text'],
  ])
    await session.run(
      `UPDATE ${schema}.series SET ${column} =
         (SELECT time / $2::bigint * $2::bigint FROM ${schema}.${table} WHERE series = id ORDER BY time DESC LIMIT 1)
       WHERE ${column} < $1`,
      [olderThan, width],
    )
}
