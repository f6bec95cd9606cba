import { backup } from 'node:sqlite'
import { DroverError } from '@drover/protocol'
import { Kysely } from 'kysely'
import type { DeviceProfiles } from '../processing/profiles.ts'
import type { AdminKeyTable, ConsoleSessionTable } from './access.ts'
import { assembleRegistry } from './assemble.ts'
import type { AuditTable } from './audit.ts'
import type { ChangeListener } from './changes.ts'
import type { ConnectionTable } from './connections.ts'
import type { DeviceTable } from './devices.ts'
import { migrateToLatest } from './migrations.ts'
import type { ProfileTable } from './profiles.ts'
import { openSqlite, sqliteDialect, sqliteTypes } from './sqlite.ts'
import type { Tables } from './tables.ts'
import type { TokenTable } from './tokens.ts'

export interface RegistryTables {
  readonly profiles: ProfileTable
  readonly devices: DeviceTable
  readonly connections: ConnectionTable
  readonly tokens: TokenTable
  readonly adminKeys: AdminKeyTable
  readonly consoleSessions: ConsoleSessionTable
  readonly audit: AuditTable
}

/** What is not a time series: profiles, devices, keys, sessions of people, the audit log. */
export interface Registry extends RegistryTables {
  /**
   * All of what `work` does with the tables it is given, durable when this answers, or nothing. One after another, over
   * all processes: what `work` has read stays true until it ends.
   */
  transaction<T>(work: (tables: RegistryTables) => Promise<T>): Promise<T>
  /**
   * Calls `listener` with what is changed from now on: with changes of this process before it is answered, with those of
   * others when they are heard of. Answers how to stop.
   */
  onChange(listener: ChangeListener): () => void
  readonly deviceProfiles: DeviceProfiles
  /** Tells this registry from all others, also from one beside it on the same host. */
  readonly instance: string
  /**
   * Copies everything into a new file at one consistent point, while reading and writing go on. Rejects with `badRequest`
   * where the engine has a backup of its own.
   */
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
    await migrateToLatest(db as unknown as Kysely<unknown>, sqliteTypes)
    return {
      ...(await assembleRegistry({ db, nowMicros })),
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

function openFile(path: string) {
  try {
    return openSqlite({ path })
  } catch (error) {
    throw new DroverError('corruptData', { what: path, reason: (error as Error).message }, error)
  }
}
