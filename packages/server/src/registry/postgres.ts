import { DroverError } from '@drover/protocol'
import { Kysely, PostgresDialect, sql, type Transaction } from 'kysely'
import type { DeviceProfiles } from '../processing/profiles.ts'
import { assembleRegistry } from './assemble.ts'
import { ChangeListeners } from './changes.ts'
import { deviceProfiles } from './device-profiles.ts'
import { type ColumnTypes, migrateToLatest } from './migrations.ts'
import { PostgresChanges } from './postgres-changes.ts'
import { clientOptions, isRefusal, openPool, type PostgresOptions } from './postgres-pool.ts'
import type { Registry } from './registry.ts'
import type { Tables } from './tables.ts'

export interface PostgresRegistryOptions extends PostgresOptions {
  readonly nowMicros: () => number
}

/** Reads of people and devices; transactions use one of them at a time. */
const connectionsMax = 8
/** Processing asks for devices one batch after another. */
const readerConnectionsMax = 2
/** A migration may have to wait for that of another process. */
const migrationTimeoutMs = 300_000
/** The oldest version that this is tested on, as `server_version_num` says it. */
const versionMin = 150_000
/** Tells the lock of transactions from other advisory locks in the same database. */
const transactionLock = 0x64726f76

const postgresTypes: ColumnTypes = {
  number: 'bigint',
  counting: (column) => column.generatedByDefaultAsIdentity(),
  key: sql`text collate "C"`,
  bytes: 'bytea',
}

/**
 * The registry in PostgreSQL, which several processes may have open; its tables are brought to the newest form. Needs
 * connections of its own, not those of a pooler in transaction mode, and a user that may create tables. Rejects with
 * `badConfiguration` when the database cannot be used, `registryUnavailable` when it does not answer.
 */
export async function openPostgresRegistry({ url, nowMicros }: PostgresRegistryOptions): Promise<Registry> {
  await prepare({ url })
  const listeners = new ChangeListeners()
  const feed = new PostgresChanges(clientOptions({ url }), (changes) => listeners.tell(changes))
  const db = connect({ url }, connectionsMax)
  const close = async () => {
    await feed.close()
    await db.destroy()
  }
  try {
    await feed.open()
    const registry = await assembleRegistry({
      db,
      nowMicros,
      listeners,
      hearsChanges: () => feed.isListening,
      begin: waitForTurn,
      announce: (transaction, changes) => feed.announce(transaction, changes),
    })
    return { ...registry, backup: refuseBackup, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function refuseBackup(): Promise<never> {
  const reason = 'the registry is in PostgreSQL; copy it with pg_dump, or by its own backup'
  throw new DroverError('badRequest', { reason })
}

/** What processing asks of the registry, by connections of its own. */
export async function openPostgresDeviceProfiles(
  options: PostgresOptions,
): Promise<DeviceProfiles & { close(): Promise<void> }> {
  const db = connect(options, readerConnectionsMax)
  return { ...deviceProfiles(db), close: () => db.destroy() }
}

function connect(options: PostgresOptions, connections: number): Kysely<Tables> {
  return new Kysely<Tables>({
    dialect: new PostgresDialect({ pool: openPool(clientOptions(options), connections) }),
  })
}

async function prepare(options: PostgresOptions): Promise<void> {
  const limits = { statement_timeout: migrationTimeoutMs, query_timeout: migrationTimeoutMs }
  const pool = openPool({ ...clientOptions(options), ...limits }, 1)
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) })
  try {
    await checkServer(db)
    await migrateToLatest(db, postgresTypes)
  } catch (error) {
    throw isRefusal(error) ? unusable((error as Error).message, error) : error
  } finally {
    await db.destroy()
  }
}

async function checkServer(db: Kysely<unknown>): Promise<void> {
  const settings = sql<{ version: string; encoding: string }>`
    select current_setting('server_version_num') as version, current_setting('server_encoding') as encoding`
  const { version, encoding } = (await settings.execute(db)).rows[0]!
  if (Number(version) < versionMin) throw unusable('it is older than PostgreSQL 15')
  if (encoding !== 'UTF8') throw unusable(`its encoding is ${encoding}, not UTF8`)
}

function unusable(why: string, cause?: unknown): DroverError {
  const reason = `the registry's database cannot be used: ${why}`
  return new DroverError('badConfiguration', { reason }, cause)
}

/** Transactions of all processes are one after another, as they are in SQLite: none has to be tried again. */
async function waitForTurn(transaction: Transaction<Tables>): Promise<void> {
  await sql`select pg_advisory_xact_lock(${sql.lit(transactionLock)})`.execute(transaction)
}
