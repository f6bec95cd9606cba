import { backup } from 'node:sqlite'
import { DroverError } from '@drover/protocol'
import { Kysely } from 'kysely'
import { defaultProfile, defaultTenant } from '../model/device.ts'
import { checkDefinition } from '../model/profile.ts'
import type { DeviceProfiles } from '../processing/profiles.ts'
import { type AdminKeyTable, adminKeyTable, type ConsoleSessionTable, consoleSessionTable } from './access.ts'
import { type AuditTable, auditTable } from './audit.ts'
import { type ConnectionTable, connectionTable } from './connections.ts'
import { deviceProfiles } from './device-profiles.ts'
import { type DeviceTable, deviceTable } from './devices.ts'
import { KeptSelections, keepingSelections, noticingChanges } from './kept-selections.ts'
import { migrateToLatest } from './migrations.ts'
import { type ProfileTable, profileTable } from './profiles.ts'
import { openSqlite, sqliteDialect } from './sqlite.ts'
import type { Tables } from './tables.ts'
import { type TokenTable, tokenTable } from './tokens.ts'

export interface RegistryTables {
  readonly profiles: ProfileTable
  readonly devices: DeviceTable
  readonly connections: ConnectionTable
  readonly tokens: TokenTable
  readonly adminKeys: AdminKeyTable
  readonly consoleSessions: ConsoleSessionTable
  readonly audit: AuditTable
}

/** What is not a time series: profiles, devices, keys, sessions of people, the audit log. One process writes it. */
export interface Registry extends RegistryTables {
  /** All of what `work` does with the tables it is given, durable when this answers, or nothing. */
  transaction<T>(work: (tables: RegistryTables) => Promise<T>): Promise<T>
  readonly deviceProfiles: DeviceProfiles
  /** Tells this registry from all others, also from one beside it on the same host. */
  readonly instance: string
  /** Copies everything into a new file at one consistent point, while reading and writing go on. */
  backup(path: string): Promise<void>
  close(): Promise<void>
}

export interface RegistryOptions {
  /** A file, made when it is missing, or `:memory:`. */
  readonly path: string
  readonly nowMicros: () => number
}

/**
 * Opens the registry, its tables brought to the newest form, with the profile `default`. Rejects with `corruptData`
 * when the file is none.
 */
export async function openRegistry({ path, nowMicros }: RegistryOptions): Promise<Registry> {
  const database = openFile(path)
  const db = new Kysely<Tables>({ dialect: sqliteDialect(database) })
  try {
    await migrateToLatest(db as unknown as Kysely<unknown>)
    const tables = tablesOf(db)
    const selections = new KeptSelections()
    await makeDefaultProfile(tables.profiles, nowMicros())
    return {
      ...tables,
      devices: keepingSelections(tables.devices, selections),
      transaction: (work) => transact(db, selections, work),
      deviceProfiles: deviceProfiles(db),
      instance: await instanceOf(db),
      async backup(copyPath) {
        await backup(database, copyPath)
      },
      close: () => db.destroy(),
    }
  } catch (error) {
    database.close()
    throw error
  }
}

/** What is kept of devices is forgotten before anybody hears that they have changed. */
async function transact<T>(
  db: Kysely<Tables>,
  selections: KeptSelections,
  work: (tables: RegistryTables) => Promise<T>,
): Promise<T> {
  let devicesChanged = false
  const noteChange = () => {
    devicesChanged = true
  }
  try {
    return await db.transaction().execute((transaction) => {
      const tables = tablesOf(transaction)
      return work({ ...tables, devices: noticingChanges(tables.devices, noteChange) })
    })
  } finally {
    if (devicesChanged) selections.forget()
  }
}

function openFile(path: string) {
  try {
    return openSqlite({ path })
  } catch (error) {
    throw new DroverError('corruptData', { what: path, reason: (error as Error).message }, error)
  }
}

function tablesOf(db: Kysely<Tables>): RegistryTables {
  return {
    profiles: profileTable(db),
    devices: deviceTable(db),
    connections: connectionTable(db),
    tokens: tokenTable(db),
    adminKeys: adminKeyTable(db),
    consoleSessions: consoleSessionTable(db),
    audit: auditTable(db),
  }
}

async function makeDefaultProfile(profiles: ProfileTable, atMicros: number): Promise<void> {
  const definition = checkDefinition({
    description: 'Accepts any metric.',
    metrics: {},
    unknownMetrics: 'accept',
    oldestTime: '2000-01-01T00:00:00Z',
    aheadSecondsMax: 300,
  })
  await profiles.insert(defaultTenant, defaultProfile, definition, atMicros)
}

async function instanceOf(db: Kysely<Tables>): Promise<string> {
  const value = crypto.randomUUID().slice(0, 8)
  await db
    .insertInto('meta')
    .values({ name: 'instance', value })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  const query = db.selectFrom('meta').select('value').where('name', '=', 'instance')
  return (await query.executeTakeFirstOrThrow()).value
}
