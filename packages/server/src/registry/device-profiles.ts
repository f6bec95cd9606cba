import { Kysely } from 'kysely'
import type { DeviceProfile, DeviceProfiles } from '../processing/profiles.ts'
import { type ProfileRow, toProfile } from './profiles.ts'
import { openSqlite, sqliteDialect } from './sqlite.ts'
import type { Tables } from './tables.ts'

/** Devices asked for in one statement, whose text has 1, 16 or 256 parameters, so that it stays prepared. */
const portionSizes = [1, 16, 256]

/** What processing asks of the registry, by a connection of its own that only reads. */
export async function openDeviceProfiles({
  path,
}: {
  readonly path: string
}): Promise<DeviceProfiles & { close(): Promise<void> }> {
  const db = new Kysely<Tables>({ dialect: sqliteDialect(openSqlite({ path, readOnly: true })) })
  return { ...deviceProfiles(db), close: () => db.destroy() }
}

export function deviceProfiles(db: Kysely<Tables>): DeviceProfiles {
  return {
    async load(deviceUids) {
      const found = new Map<number, DeviceProfile>()
      const profiles = new ParsedProfiles()
      for (let at = 0; at < deviceUids.length; ) {
        const size = portionSizes.find((size) => size >= deviceUids.length - at) ?? 256
        const uids = deviceUids.slice(at, at + size)
        at += size
        for (const row of await rowsOf(db, padded(uids, size)))
          found.set(row.uid, {
            tenant: row.tenant,
            deviceUid: row.uid,
            deviceId: row.device_id,
            profile: profiles.get(row),
          })
      }
      return found
    },
  }
}

/** The last uid again, up to `size`. */
function padded(uids: readonly number[], size: number): number[] {
  return Array.from({ length: size }, (_, at) => uids[Math.min(at, uids.length - 1)]!)
}

function rowsOf(db: Kysely<Tables>, uids: readonly number[]) {
  return db
    .selectFrom('devices')
    .innerJoin('profiles', (join) =>
      join.onRef('profiles.tenant', '=', 'devices.tenant').onRef('profiles.id', '=', 'devices.profile'),
    )
    .selectAll('profiles')
    .select(['devices.uid', 'devices.id as device_id'])
    .where('devices.uid', 'in', uids)
    .execute()
}

/** Devices of one profile share one object. */
class ParsedProfiles {
  readonly #parsed = new Map<string, DeviceProfile['profile']>()

  get(row: ProfileRow): DeviceProfile['profile'] {
    const key = `${row.tenant}/${row.id}`
    const profile = this.#parsed.get(key) ?? toProfile(row)
    this.#parsed.set(key, profile)
    return profile
  }
}
