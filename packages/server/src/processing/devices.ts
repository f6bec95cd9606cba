import { limits } from '@drover/protocol'
import type { StoreWriter } from '../store/store.ts'
import { DeviceState } from './device.ts'
import type { DeviceProfile, DeviceProfiles } from './profiles.ts'
import { RulesCache } from './rules.ts'

/** What processing asks the store for; asked only while no write is under way. */
export type StoredState = Pick<
  StoreWriter,
  'loadSeries' | 'loadKeys' | 'quarantineCounts' | 'reserveSeriesIds'
>

/** The devices that are in use, loaded many at once, and forgotten when there are too many. */
export class Devices {
  readonly #profiles: DeviceProfiles
  readonly #stored: StoredState
  readonly #sizeMax: number
  readonly #rules = new RulesCache()
  /** Null: asked for, and it does not exist. */
  readonly #known = new Map<number, DeviceState | null>()
  /** The number of the batch, and of the last one at which devices were forgotten. */
  #batch = 0
  #sweptAt = 0

  constructor(profiles: DeviceProfiles, stored: StoredState, sizeMax: number = limits.devicesCachedMax) {
    this.#profiles = profiles
    this.#stored = stored
    this.#sizeMax = sizeMax
  }

  get size(): number {
    return this.#known.size
  }

  /** From here on, devices that are used stay until the next batch begins. */
  beginBatch(): void {
    this.#batch++
  }

  /** Marks the device as used by this batch; false when it has to be loaded first. */
  use(uid: number): boolean {
    const device = this.#known.get(uid)
    if (!device) return device === null
    device.usedInBatch = this.#batch
    return !device.isStale
  }

  /** A device that is loaded; undefined when it does not exist. */
  get(uid: number): DeviceState | undefined {
    return this.#known.get(uid) ?? undefined
  }

  /** Makes these devices, of which none is loaded, known. */
  async load(uids: readonly number[]): Promise<void> {
    this.#makeRoom(uids.length)
    const profiles = await this.#profiles.load(uids)
    const fresh = uids.filter((uid) => profiles.has(uid) && !this.#known.get(uid))
    const loaded = fresh.length > 0 ? await this.#loadStored(fresh) : undefined
    for (const uid of uids) {
      const profile = profiles.get(uid)
      const known = this.#known.get(uid)
      if (!profile) this.#known.set(uid, null)
      else if (known) known.apply(this.#rules.get(profile.tenant, profile.profile))
      else this.#known.set(uid, loaded!(profile))
    }
  }

  async #loadStored(uids: readonly number[]): Promise<(profile: DeviceProfile) => DeviceState> {
    const [series, keys, quarantined] = await Promise.all([
      this.#stored.loadSeries(uids),
      this.#stored.loadKeys(uids),
      this.#stored.quarantineCounts(uids),
    ])
    const keysByDevice = Map.groupBy(keys, (key) => key.deviceUid)
    return (profile) => {
      const uid = profile.deviceUid
      const rules = this.#rules.get(profile.tenant, profile.profile)
      const device = new DeviceState(profile, rules, series.get(uid) ?? [], keysByDevice.get(uid) ?? [])
      device.quarantined = quarantined.get(uid) ?? 0
      device.usedInBatch = this.#batch
      return device
    }
  }

  /** What the registry says of these devices has changed, or they are gone. */
  forget(uids: readonly number[] | 'all'): void {
    if (uids === 'all') this.#known.clear()
    else this.#forgetSome(uids)
  }

  #forgetSome(uids: readonly number[]): void {
    for (const uid of uids) {
      const device = this.#known.get(uid)
      if (device) device.isStale = true
      else this.#known.delete(uid)
    }
  }

  forgetProfile(tenant: number, profileId: string): void {
    this.#rules.forget(tenant, profileId)
    for (const device of this.#known.values())
      if (device?.rules.profileId === profileId && device.tenant === tenant) device.isStale = true
  }

  /** When there are too many, forgets a tenth of them: first those that were not used since this was last done. */
  #makeRoom(coming: number): void {
    if (this.#known.size + coming <= this.#sizeMax) return
    const keep = this.#sizeMax * 0.9 - coming
    for (const usedBefore of [this.#sweptAt, this.#batch])
      for (const [uid, device] of this.#known) {
        if (this.#known.size <= keep) break
        if (!device || device.usedInBatch < usedBefore) this.#known.delete(uid)
      }
    this.#sweptAt = this.#batch
  }
}
