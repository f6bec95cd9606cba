import type { DeviceAccess } from '../access/device-authenticator.ts'
import type { Presence } from '../gateway/presence.ts'
import type { Registry } from '../registry/registry.ts'
import type { Clock } from '../runtime/clock.ts'
import type { RandomBytes } from '../runtime/ids.ts'

/** What storage must hear of, so that what it remembers of devices and profiles stays true. */
export interface StorageNotices {
  /** These devices were created, or have another profile or state. */
  devicesChanged(deviceUids: readonly number[] | 'all'): Promise<void>
  profileChanged(tenant: number, profile: string): Promise<void>
  /** The device is gone: its points are hidden at once. Idempotent. */
  deleteDevice(deviceUid: number): Promise<void>
}

/** What the use cases of devices and profiles work with. */
export interface DeviceContext {
  readonly registry: Registry
  readonly deviceAccess: DeviceAccess
  readonly presence: Presence
  readonly storage: StorageNotices
  readonly clock: Clock
  readonly random?: RandomBytes
}
