import type { MessageKey, QuarantineQuery, QuarantineStored, Series, StoreBatch } from '../store.ts'
import type { Session } from './database.ts'

export const seriesColumns = `id, tenant, device_uid AS "deviceUid", metric, type, unit`

/** Those of deleted devices are left out. */
export async function writeSeries(
  session: Session,
  schema: string,
  series: readonly Series[],
): Promise<void> {
  if (series.length === 0) return
  const last = series.reduce((max, { id }) => Math.max(max, id), 0)
  await session.run(`UPDATE ${schema}.state SET next_series = $1 + 1 WHERE next_series <= $1`, [last])
  await session.run(
    `INSERT INTO ${schema}.series (id, tenant, device_uid, metric, type, unit)
     SELECT * FROM unnest($1::integer[], $2::integer[], $3::bigint[], $4::text[], $5::text[], $6::text[])
       AS new (id, tenant, device_uid, metric, type, unit)
     WHERE NOT EXISTS (SELECT FROM ${schema}.deleted_devices AS gone WHERE gone.device_uid = new.device_uid)
     ON CONFLICT DO NOTHING`,
    [
      series.map(({ id }) => id),
      series.map(({ tenant }) => tenant),
      series.map(({ deviceUid }) => deviceUid),
      series.map(({ metric }) => metric),
      series.map(({ type }) => type),
      series.map(({ unit }) => unit),
    ],
  )
}

export async function writeQuarantine(session: Session, schema: string, batch: StoreBatch): Promise<void> {
  const { quarantine: rows, quarantineDropped: dropped } = batch
  if (rows.length > 0)
    await session.run(
      `INSERT INTO ${schema}.quarantine (tenant, device_uid, reason, message, metric, received_at, content_type,
         payload, payload_bytes, version)
       SELECT * FROM unnest($1::integer[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[],
         $7::integer[], $8::bytea[], $9::integer[], $10::bigint[])`,
      [
        rows.map(({ tenant }) => tenant),
        rows.map(({ deviceUid }) => deviceUid),
        rows.map(({ reason }) => reason),
        rows.map(({ message }) => storable(message)),
        rows.map(({ metric }) => (metric === null ? null : storable(metric))),
        rows.map(({ receivedAtMicros }) => receivedAtMicros),
        rows.map(({ contentType }) => contentType),
        rows.map(({ payload }) => Buffer.from(payload)),
        rows.map(({ payloadBytes }) => payloadBytes),
        rows.map(({ version }) => version),
      ],
    )
  if (dropped.size > 0)
    await session.run(
      `INSERT INTO ${schema}.quarantine_dropped AS old SELECT * FROM unnest($1::bigint[], $2::bigint[])
       ON CONFLICT (device_uid) DO UPDATE SET dropped = old.dropped + excluded.dropped`,
      [[...dropped.keys()], [...dropped.values()]],
    )
}

/** PostgreSQL has no place for the character 0 in its texts. */
const storable = (text: string) => text.replaceAll('\u0000', '\u2400')

export async function writeKeys(session: Session, schema: string, batch: StoreBatch): Promise<void> {
  const { releasedKeys, newKeys } = batch
  if (releasedKeys.length > 0)
    await session.run(
      `DELETE FROM ${schema}.message_keys AS held
       USING unnest($1::bigint[], $2::text[]) AS released (device_uid, key)
       WHERE held.device_uid = released.device_uid AND (held.key = released.key
         OR right(released.key, 1) = '*' AND starts_with(held.key, left(released.key, -1)))`,
      [releasedKeys.map(({ deviceUid }) => deviceUid), releasedKeys.map(({ key }) => key)],
    )
  const keys = [...new Map(newKeys.map((held) => [`${held.deviceUid}/${held.key}`, held])).values()]
  if (keys.length > 0)
    await session.run(
      `INSERT INTO ${schema}.message_keys SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[])
       ON CONFLICT (device_uid, key) DO UPDATE SET received_at = excluded.received_at`,
      [
        keys.map(({ deviceUid }) => deviceUid),
        keys.map(({ key }) => key),
        keys.map(({ receivedAtMicros }) => receivedAtMicros),
      ],
    )
}

export function heldKeys(
  session: Session,
  schema: string,
  deviceUids: readonly number[] | 'all',
): Promise<MessageKey[]> {
  const all = deviceUids === 'all'
  return session.rows<MessageKey>(
    `SELECT device_uid AS "deviceUid", key, received_at AS "receivedAtMicros" FROM ${schema}.message_keys
     ${all ? '' : 'WHERE device_uid = ANY($1::bigint[])'} ORDER BY received_at, device_uid, key`,
    all ? [] : [deviceUids],
  )
}

export async function quarantineCounts(
  session: Session,
  schema: string,
  deviceUids: readonly number[],
): Promise<Map<number, number>> {
  const rows = await session.rows<{ uid: number; count: number }>(
    `SELECT device_uid AS uid, count(*) AS count FROM ${schema}.quarantine
     WHERE device_uid = ANY($1::bigint[]) GROUP BY device_uid`,
    [deviceUids],
  )
  const counts = new Map(rows.map(({ uid, count }) => [uid, count]))
  return new Map(deviceUids.map((uid) => [uid, counts.get(uid) ?? 0]))
}

/** Newest first. */
export async function findQuarantine(
  session: Session,
  schema: string,
  { tenant, deviceUid, reason, limit, beforeId }: QuarantineQuery,
): Promise<QuarantineStored[]> {
  const rows = await session.rows<QuarantineStored>(
    `SELECT id, tenant, device_uid AS "deviceUid", reason, message, metric, received_at AS "receivedAtMicros",
       content_type AS "contentType", payload, payload_bytes AS "payloadBytes", version
     FROM ${schema}.quarantine WHERE tenant = $1 AND ($2::bigint IS NULL OR device_uid = $2)
       AND ($3::text IS NULL OR reason = $3) AND ($4::bigint IS NULL OR id < $4) ORDER BY id DESC LIMIT $5`,
    [tenant, deviceUid, reason, beforeId, limit],
  )
  return rows.map((row) => ({ ...row, payload: new Uint8Array(row.payload) }))
}

/** Those that are not deleted. */
export async function living(session: Session, schema: string, ids: readonly number[]): Promise<number[]> {
  const rows = await session.arrays(`SELECT id FROM ${schema}.series WHERE id = ANY($1::integer[])`, [ids])
  return rows.map(([id]) => id as number)
}
