import { DroverError } from '@drover/protocol'
import { dayMicros } from '../micros.ts'
import { type Database, sqlState } from './database.ts'
import { lockSql } from './locks.ts'
import type { Partitions, PointTable } from './partitions.ts'

export const hourMicros = 3_600_000_000
/** Tables of sums of points, the finest first. */
export const sumTables = [
  { table: 'hours', width: hourMicros },
  { table: 'days', width: dayMicros },
] as const
export const sumColumns = 'points, low, high, total, first, first_time, last, last_time'

/**
 * The last of the columns at the smallest or largest of those before it, without sorting: times are below 2^53, so that
 * a double holds them.
 */
export const earliest = (columns: readonly string[], filter = '') => extreme('min', columns, filter)
export const latest = (columns: readonly string[], filter = '') => extreme('max', columns, filter)
const extreme = (aggregate: string, columns: readonly string[], filter: string) =>
  `(${aggregate}(ARRAY[${columns.join()}]::float8[]) ${filter})[${columns.length}]`

/** The format of the tables; a newer one is refused. */
const format = 1

/** Makes what is missing. Rejects with `badConfiguration` when the server lets nobody in, or the tables are of a newer Drover. */
export async function prepareSchema(
  database: Database,
  schema: string,
  partitions: Partitions,
): Promise<void> {
  try {
    await database.transaction(async (session) => {
      await session.statements(lockSql('tables', schema))
      await session.statements(tablesSql(schema, partitions))
      await partitions.prepare(session)
      const [row] = await session.rows<{ format: number }>(`SELECT format FROM ${schema}.state`)
      if (row!.format > format)
        throw new DroverError('badConfiguration', {
          reason: `the tables in ${schema} are of a newer Drover (format ${row!.format}, this one knows ${format})`,
        })
    })
  } catch (error) {
    if (/^(28|3D|42501)/.test(sqlState(error) ?? ''))
      throw new DroverError('badConfiguration', { reason: `PostgreSQL says: ${(error as Error).message}` })
    throw error
  }
}

/**
 * Times are µs since 1970. `arrived` is the day (since 1970) on which a point was written. `newest_number` and
 * `newest_text` are times that no latest point of the series is older than. `closed` is the time before which writes tell of
 * what they touch in `stale`, `done` the time before which sums are there, `epoch` grows with what was removed.
 */
function tablesSql(schema: string, partitions: Partitions): string {
  const points = (name: PointTable, value: string) => `
    CREATE TABLE IF NOT EXISTS ${schema}.${name} (series integer NOT NULL, quality smallint NOT NULL,
      arrived smallint NOT NULL, time bigint NOT NULL, value ${value} NOT NULL, version bigint NOT NULL,
      PRIMARY KEY (series, time)) ${partitions.clause};
    CREATE INDEX IF NOT EXISTS ${name}_arrival ON ${schema}.${name} USING brin (time, arrived)`
  return [
    `CREATE SCHEMA IF NOT EXISTS ${schema}`,
    `CREATE TABLE IF NOT EXISTS ${schema}.state (one boolean PRIMARY KEY DEFAULT true CHECK (one),
      format integer NOT NULL, next_series bigint NOT NULL, closed bigint NOT NULL, done bigint NOT NULL,
      epoch bigint NOT NULL)`,
    `INSERT INTO ${schema}.state VALUES (true, ${format}, 1, 0, 0, 0) ON CONFLICT DO NOTHING`,
    `CREATE TABLE IF NOT EXISTS ${schema}.positions (consumer text, partition integer, identity text NOT NULL,
      position bigint NOT NULL, PRIMARY KEY (consumer, partition))`,
    `CREATE TABLE IF NOT EXISTS ${schema}.series (id integer PRIMARY KEY, tenant integer NOT NULL,
      device_uid bigint NOT NULL, metric text NOT NULL, type text NOT NULL, unit text,
      newest_number bigint, newest_text bigint)`,
    `CREATE INDEX IF NOT EXISTS series_device ON ${schema}.series (device_uid)`,
    `CREATE TABLE IF NOT EXISTS ${schema}.deleted_devices (device_uid bigint PRIMARY KEY)`,
    `CREATE TABLE IF NOT EXISTS ${schema}.deleted_series (id integer PRIMARY KEY)`,
    points('points', 'double precision'),
    // Not text, which cannot hold the character 0.
    points('texts', 'bytea'),
    ...sumTablesSql(schema),
    `CREATE TABLE IF NOT EXISTS ${schema}.message_keys (device_uid bigint, key text, received_at bigint NOT NULL,
      PRIMARY KEY (device_uid, key))`,
    `CREATE TABLE IF NOT EXISTS ${schema}.quarantine (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      tenant integer NOT NULL, device_uid bigint NOT NULL, reason text NOT NULL, message text NOT NULL, metric text,
      received_at bigint NOT NULL, content_type integer NOT NULL, payload bytea NOT NULL,
      payload_bytes integer NOT NULL, version bigint NOT NULL)`,
    `CREATE INDEX IF NOT EXISTS quarantine_device ON ${schema}.quarantine (device_uid, id)`,
    `CREATE TABLE IF NOT EXISTS ${schema}.quarantine_dropped (device_uid bigint PRIMARY KEY, dropped bigint NOT NULL)`,
  ].join(';')
}

/** `stale` lists hours that have to be summed up again. */
function sumTablesSql(schema: string): string[] {
  return [
    ...sumTables.map(
      ({ table }) => `CREATE TABLE IF NOT EXISTS ${schema}.${table} (series integer, quality smallint,
        start bigint, points bigint NOT NULL, low float8 NOT NULL, high float8 NOT NULL, total float8 NOT NULL,
        first float8 NOT NULL, first_time bigint NOT NULL, last float8 NOT NULL, last_time bigint NOT NULL,
        PRIMARY KEY (series, start, quality))`,
    ),
    ...sumTables.map(
      ({ table }) => `CREATE INDEX IF NOT EXISTS ${table}_start ON ${schema}.${table} USING brin (start)`,
    ),
    `CREATE TABLE IF NOT EXISTS ${schema}.stale (series integer, start bigint, PRIMARY KEY (start, series))`,
  ]
}
