import { DroverError } from '@drover/protocol'
import { type ColumnDataType, type ColumnDefinitionBuilder, type Expression, type Kysely, sql } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'

/** What the engines name differently. */
export interface ColumnTypes {
  /** A whole number that counts rows. */
  readonly number: ColumnDataType
  /** Makes the column of a primary key count by itself; a number is not used again after its row was deleted. */
  readonly counting: (column: ColumnDefinitionBuilder) => ColumnDefinitionBuilder
  /** Text that is ordered by its bytes. */
  readonly key: ColumnDataType | Expression<string>
  readonly bytes: ColumnDataType
}

/** In the order of their numbers; one that has been released is never changed. */
const migrations = (types: ColumnTypes): Record<string, Migration> => ({
  '001-devices': { up: (db) => createDevices(db, types) },
  '002-access': { up: (db) => createAccess(db, types) },
  '003-connections': { up: (db) => createConnections(db, types) },
})

/**
 * Brings the tables to the newest form, one process at a time where several share them. Rejects with
 * `badConfiguration` when they are of a newer Drover, else with what the engine says.
 */
export async function migrateToLatest(db: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations(types) } })
  const { error } = await migrator.migrateToLatest()
  if (error && (await isNewer(db, Object.keys(migrations(types))))) throw newerRegistry(error)
  if (error) throw error
}

async function isNewer(db: Kysely<unknown>, known: readonly string[]): Promise<boolean> {
  const done = await sql<{ name: string }>`select name from kysely_migration`
    .execute(db)
    .catch(() => undefined)
  return done?.rows.some(({ name }) => !known.includes(name)) ?? false
}

function newerRegistry(cause: unknown): DroverError {
  const reason = 'the registry is of a newer Drover, which this one cannot read; start that one'
  return new DroverError('badConfiguration', { reason }, cause)
}

async function createDevices(db: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  const { schema } = db
  await schema
    .createTable('tenants')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull().unique())
    .execute()
  await sql`insert into tenants (id, name) values (1, 'default')`.execute(db)
  await schema
    .createTable('meta')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('value', 'text', (column) => column.notNull())
    .execute()
  await schema
    .createTable('profiles')
    .addColumn('tenant', 'integer', (column) => column.notNull().references('tenants.id'))
    .addColumn('id', types.key, (column) => column.notNull())
    .addColumn('definition', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('profiles_key', ['tenant', 'id'])
    .execute()
  await schema
    .createTable('devices')
    .addColumn('uid', types.number, (column) => types.counting(column.primaryKey()))
    .addColumn('tenant', 'integer', (column) => column.notNull().references('tenants.id'))
    .addColumn('id', types.key, (column) => column.notNull())
    .addColumn('profile', types.key, (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('location', 'text')
    .addColumn('parent_uid', types.number, (column) => column.references('devices.uid').onDelete('set null'))
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .addUniqueConstraint('devices_id', ['tenant', 'id'])
    .addForeignKeyConstraint('devices_profile', ['tenant', 'profile'], 'profiles', ['tenant', 'id'])
    .execute()
  await createDeviceIndexes(db, types)
}

async function createDeviceIndexes({ schema }: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  await schema.createIndex('devices_by_profile').on('devices').columns(['tenant', 'profile', 'id']).execute()
  await schema.createIndex('devices_by_parent').on('devices').column('parent_uid').execute()
  await schema
    .createTable('device_tags')
    .addColumn('tenant', 'integer', (column) => column.notNull())
    .addColumn('tag', types.key, (column) => column.notNull())
    .addColumn('device_uid', types.number, (column) =>
      column.notNull().references('devices.uid').onDelete('cascade'),
    )
    .addPrimaryKeyConstraint('device_tags_key', ['device_uid', 'tag'])
    .execute()
  await schema
    .createIndex('device_tags_by_tag')
    .on('device_tags')
    .columns(['tenant', 'tag', 'device_uid'])
    .execute()
  await schema
    .createTable('device_deletions')
    .addColumn('uid', types.number, (column) => column.primaryKey())
    .addColumn('deleted_at', 'bigint', (column) => column.notNull())
    .execute()
}

async function createAccess(db: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  const { schema } = db
  await schema
    .createTable('device_tokens')
    .addColumn('key_id', types.key, (column) => column.primaryKey())
    .addColumn('device_uid', types.number, (column) =>
      column.notNull().references('devices.uid').onDelete('cascade'),
    )
    .addColumn('hash', types.bytes, (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('last_used_at', 'bigint')
    .addColumn('revoked_at', 'bigint')
    .execute()
  await schema.createIndex('device_tokens_by_device').on('device_tokens').column('device_uid').execute()
  await schema
    .createTable('admin_keys')
    .addColumn('hash', types.bytes, (column) => column.primaryKey())
    .addColumn('tenant', 'integer', (column) => column.notNull().references('tenants.id'))
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addUniqueConstraint('admin_keys_name', ['tenant', 'name'])
    .execute()
  await schema
    .createTable('console_sessions')
    .addColumn('hash', types.bytes, (column) => column.primaryKey())
    .addColumn('tenant', 'integer', (column) => column.notNull().references('tenants.id'))
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .execute()
  await schema
    .createTable('audit')
    .addColumn('id', types.number, (column) => types.counting(column.primaryKey()))
    .addColumn('tenant', 'integer', (column) => column.notNull())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('actor', 'text', (column) => column.notNull())
    .addColumn('address', 'text')
    .addColumn('action', 'text', (column) => column.notNull())
    .addColumn('subject', 'text')
    .addColumn('details', 'text', (column) => column.notNull())
    .execute()
}

async function createConnections({ schema }: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  await schema
    .createTable('connections')
    .addColumn('device_uid', types.number, (column) =>
      column.primaryKey().references('devices.uid').onDelete('cascade'),
    )
    .addColumn('since', 'bigint')
    .addColumn('last_seen', 'bigint')
    .addColumn('reason', 'text')
    .execute()
}
