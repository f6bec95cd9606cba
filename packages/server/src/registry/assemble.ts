import type { Kysely } from 'kysely'
import { defaultProfile, defaultTenant } from '../model/device.ts'
import { checkDefinition } from '../model/profile.ts'
import { adminKeyTable, consoleSessionTable } from './access.ts'
import { auditTable } from './audit.ts'
import { ChangeListeners } from './changes.ts'
import { connectionTable } from './connections.ts'
import { deviceProfiles } from './device-profiles.ts'
import { deviceTable } from './devices.ts'
import { KeptSelections, keepingSelections } from './kept-selections.ts'
import { profileTable } from './profiles.ts'
import type { Registry, RegistryTables } from './registry.ts'
import type { Tables } from './tables.ts'
import { tokenTable } from './tokens.ts'
import { changingInTransactions, type TransactionSteps, Transactions } from './transactions.ts'

export interface RegistryParts extends TransactionSteps {
  /** Its tables are in the newest form. */
  readonly db: Kysely<Tables>
  readonly nowMicros: () => number
  readonly listeners?: ChangeListeners
  /** False while changes by other processes may go unheard. */
  readonly hearsChanges?: () => boolean
}

/** The registry of any engine, with the profile `default`. */
export async function assembleRegistry(parts: RegistryParts): Promise<Omit<Registry, 'backup' | 'close'>> {
  const { db, nowMicros, listeners = new ChangeListeners(), hearsChanges = () => true } = parts
  const tables = tablesOf(db)
  await makeDefaultProfile(tables, nowMicros())
  const selections = new KeptSelections()
  listeners.add(({ kind }) => {
    if (kind === 'devicesAdded' || kind === 'deviceChanged' || kind === 'missed') selections.forget()
  })
  const transactions = new Transactions({ ...parts, listeners, tablesOf })
  const changing = changingInTransactions(tables, (work) => transactions.run(work))
  return {
    ...changing,
    devices: keepingSelections(changing.devices, selections, hearsChanges),
    transaction: (work) => transactions.run(work),
    onChange: (listener) => listeners.add(listener),
    deviceProfiles: deviceProfiles(db),
    instance: await instanceOf(db),
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

async function makeDefaultProfile({ profiles }: RegistryTables, atMicros: number): Promise<void> {
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
