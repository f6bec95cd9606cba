import type { Profile } from '@drover/protocol'

/** What processing has to know of a device. */
export interface DeviceProfile {
  readonly tenant: number
  readonly deviceUid: number
  readonly deviceId: string
  readonly profile: Profile
}

/** Where processing asks for devices. Devices that do not exist (any more) are missing from the answer. */
export interface DeviceProfiles {
  load(deviceUids: readonly number[]): Promise<ReadonlyMap<number, DeviceProfile>>
}
