import type { DeviceState, Location } from '@drover/protocol'

/** The only tenant for now; every key has its number already. */
export const defaultTenant = 1
/** The profile that the first start makes: it accepts any metric. */
export const defaultProfile = 'default'

/** A device as the registry keeps it. Times are µs since 1970. */
export interface DeviceRecord {
  readonly uid: number
  readonly tenant: number
  readonly id: string
  readonly profile: string
  readonly name: string
  readonly tags: readonly string[]
  readonly location: Location | null
  readonly parent: string | null
  readonly state: DeviceState
  readonly createdAtMicros: number
  readonly updatedAtMicros: number
}

/** What is known of a device before it is created. `parentUid` stands for the parent's id. */
export interface NewDevice {
  readonly id: string
  readonly profile: string
  readonly name: string
  readonly tags: readonly string[]
  readonly location: Location | null
  readonly parentUid: number | null
  readonly state: DeviceState
}

/** Tags are a set: in order, each once. */
export function tagSet(tags: readonly string[]): string[] {
  return [...new Set(tags)].sort()
}
