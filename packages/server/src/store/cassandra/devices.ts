import { bucketsOf } from './points-read.ts'
import { deleteQuarantine } from './quarantine.ts'
import { groupOf, type Layout } from './schema.ts'
import { findSeries } from './series.ts'
import type { Mutation, Session } from './session.ts'

/** A timestamp above every other: what is deleted with it stays hidden, whatever is written afterwards. */
const forever = Number.MAX_SAFE_INTEGER
const always = { fromMicros: 0, toMicros: Number.MAX_SAFE_INTEGER }

/** Hides the device's series for good. What is interrupted is done by the next call: its series go last. */
export async function deleteDevice(session: Session, layout: Layout, deviceUid: number): Promise<void> {
  const series = await findSeries(session, [deviceUid])
  const ids = series.map(({ id }) => id)
  const buckets = await bucketsOf(session, layout, ids, always)
  await session.mutate([...buckets].flatMap(([id, of]) => of.flatMap((bucket) => deletePoints(id, bucket))))
  await session.mutate(
    ids.flatMap((id) => ['point_buckets', 'latest'].map((table) => deleteSeries(table, id))),
  )
  await deleteQuarantine(session, deviceUid, forever)
  await session.mutate(['message_keys', 'series'].map((table) => deleteOfDevice(table, deviceUid)))
}

function deletePoints(series: number, bucket: number): Mutation[] {
  return ['numbers', 'texts'].map((table) => [
    {
      query: `DELETE FROM ${table} USING TIMESTAMP ? WHERE series_group = ? AND bucket = ? AND series = ?`,
      params: [forever, groupOf(series), bucket, series],
    },
  ])
}

function deleteSeries(table: string, series: number): Mutation {
  return [
    {
      query: `DELETE FROM ${table} USING TIMESTAMP ? WHERE series_group = ? AND series = ?`,
      params: [forever, groupOf(series), series],
    },
  ]
}

function deleteOfDevice(table: string, deviceUid: number): Mutation {
  return [
    {
      query: `DELETE FROM ${table} USING TIMESTAMP ? WHERE device_group = ? AND device = ?`,
      params: [forever, groupOf(deviceUid), deviceUid],
    },
  ]
}
