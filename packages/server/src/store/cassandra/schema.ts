import { DroverError } from '@drover/protocol'
import { Session } from './session.ts'
import type { CassandraAddress } from './url.ts'

/**
 * Neighbouring series, and neighbouring devices, share a partition: the metrics of a device get successive ids, so that
 * what a message holds is one request.
 */
const groupSize = 16

export const groupOf = (id: number): number => Math.floor(id / groupSize)

/** The version of the tables; one that this Drover does not know is refused. */
const schemaVersion = 1

/** What is fixed when the keyspace is made. */
export interface Layout {
  readonly bucketMicros: number
}

const points = (name: string, type: string, bucketHours: number) => `CREATE TABLE IF NOT EXISTS ${name} (
  series_group int, bucket int, series int, time bigint, value ${type}, quality tinyint, arrived int,
  PRIMARY KEY ((series_group, bucket), series, time)
) WITH compaction = {'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': 'HOURS',
  'compaction_window_size': ${bucketHours}}`

/** One table a question. Points are written at the timestamp of their version: the higher one wins wherever it is. */
const tables = (bucketHours: number) => [
  `CREATE TABLE IF NOT EXISTS layout (name text PRIMARY KEY, value int)`,
  points('numbers', 'double', bucketHours),
  points('texts', 'text', bucketHours),
  `CREATE TABLE IF NOT EXISTS point_buckets (
    series_group int, series int, bucket int, PRIMARY KEY (series_group, series, bucket))`,
  `CREATE TABLE IF NOT EXISTS latest (
    series_group int, series int, time bigint, point frozen<tuple<bigint, tinyint, double, text>>,
    PRIMARY KEY (series_group, series))`,
  `CREATE TABLE IF NOT EXISTS series (
    device_group int, device bigint, metric text, id int, tenant int, type text, unit text,
    PRIMARY KEY (device_group, device, metric))`,
  `CREATE TABLE IF NOT EXISTS series_ids (name text PRIMARY KEY, next int)`,
  `CREATE TABLE IF NOT EXISTS message_keys (
    device_group int, device bigint, key text, received_at bigint, PRIMARY KEY (device_group, device, key))`,
  `CREATE TABLE IF NOT EXISTS quarantine (
    tenant int, day int, id bigint, device bigint, version bigint, entry int, reason text, message text, metric text,
    received_at bigint, content_type int, payload blob, payload_bytes int,
    PRIMARY KEY ((tenant, day), id, device, version, entry)
  ) WITH CLUSTERING ORDER BY (id DESC, device DESC, version DESC, entry DESC)`,
  `CREATE TABLE IF NOT EXISTS quarantine_days (
    tenant int, day int, PRIMARY KEY (tenant, day)) WITH CLUSTERING ORDER BY (day DESC)`,
  `CREATE TABLE IF NOT EXISTS quarantine_of_device (
    device_group int, device bigint, id bigint, version bigint, entry int, tenant int, reason text,
    PRIMARY KEY (device_group, device, id, version, entry)
  ) WITH CLUSTERING ORDER BY (device ASC, id DESC, version DESC, entry DESC)`,
  `CREATE TABLE IF NOT EXISTS quarantine_dropped (
    device_group int, device bigint, version bigint, dropped int, PRIMARY KEY (device_group, device, version))`,
  `CREATE TABLE IF NOT EXISTS totals (name text PRIMARY KEY, value counter)`,
  `CREATE TABLE IF NOT EXISTS positions (
    consumer text, partition int, identity text, position bigint, PRIMARY KEY (consumer, partition))`,
]

const copiesMax = 3

/** Connects; makes the keyspace and what it lacks of tables. Rejects with `storeUnavailable`, `badConfiguration`. */
export async function openKeyspace(address: CassandraAddress): Promise<{ session: Session; layout: Layout }> {
  await createKeyspace(address)
  const session = await Session.open(address, address.keyspace)
  try {
    return { session, layout: await openTables(session, address) }
  } catch (error) {
    await session.close()
    throw error
  }
}

async function createKeyspace(address: CassandraAddress): Promise<void> {
  const { keyspace, datacenter } = address
  const session = await Session.open(address, undefined)
  try {
    const known = await session.rows(
      'SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?',
      [keyspace],
    )
    const { nodes } = session
    const nodesHere = nodes.get(datacenter)
    if (nodesHere === undefined)
      throw new DroverError('badConfiguration', {
        reason: `Cassandra has no data centre ${datacenter}, but ${[...nodes.keys()].join(', ')}`,
      })
    const copies = address.replication ?? Math.min(copiesMax, nodesHere)
    if (known.length === 0)
      await session.define(
        `CREATE KEYSPACE IF NOT EXISTS ${keyspace}
         WITH replication = {'class': 'NetworkTopologyStrategy', '${datacenter.replaceAll("'", "''")}': ${copies}}`,
      )
  } finally {
    await session.close()
  }
}

async function openTables(session: Session, address: CassandraAddress): Promise<Layout> {
  const stored = await storedLayout(session, address.keyspace)
  if (stored && stored.version !== schemaVersion)
    throw new DroverError('badConfiguration', {
      reason: `the keyspace ${address.keyspace} is of version ${stored.version}, and this Drover knows ${schemaVersion}`,
    })
  if (stored?.bucketHours) return { bucketMicros: stored.bucketHours * 3_600_000_000 }
  for (const table of tables(address.bucketHours)) await session.define(table)
  // Last, and only once: tables that are not all there are made again.
  const put = 'INSERT INTO layout (name, value) VALUES (?, ?) IF NOT EXISTS'
  await session.propose([{ query: put, params: ['bucketHours', address.bucketHours] }])
  await session.propose([{ query: put, params: ['version', schemaVersion] }])
  return openTables(session, address)
}

async function storedLayout(session: Session, keyspace: string) {
  const table = 'SELECT table_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?'
  if ((await session.rows(table, [keyspace, 'layout'])).length === 0) return undefined
  const rows = await session.rows<{ name: string; value: number }>('SELECT name, value FROM layout', [])
  const values = new Map(rows.map(({ name, value }) => [name, value]))
  const version = values.get('version')
  return version === undefined ? undefined : { version, bucketHours: values.get('bucketHours') }
}
