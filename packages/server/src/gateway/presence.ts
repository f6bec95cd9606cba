import type { Connection } from '@drover/protocol'
import type { DeviceIdentity } from './identity.ts'

/** Why a session ended. Public: `GET /devices/{id}/connection` gives it as `reason`. */
export type EndReason =
  | 'disconnected'
  | 'connectionLost'
  | 'keepAliveTimeout'
  | 'takenOver'
  | 'tokenRevoked'
  | 'deviceDeleted'
  | 'deviceSuspended'
  | 'protocolError'
  | 'serverStopped'

/** What outlives the process of a device's presence. Times are ms since 1970, 0 when there is none. */
export interface KeptPresence {
  readonly deviceUid: number
  /** Since when it is online, or offline. */
  readonly sinceMs: number
  readonly lastSeenMs: number
  /** Undefined while it is online, and when it never had a session. */
  readonly reason: EndReason | undefined
}

export type KeepPresence = (presence: readonly KeptPresence[]) => Promise<void>

/** Presence that has to be written down, so that it is known after a restart. */
export interface PresenceToKeep {
  /**
   * Gives `keep` the presence of at most `devicesMax` devices of which it changed since it was kept; answers of how
   * many. A new `lastSeen` alone waits up to a minute, except for the `last` call. What `keep` rejects is given again.
   */
  keepChanges(keep: KeepPresence, devicesMax: number, last?: boolean): Promise<number>
}

/** Sessions and presence of devices, as the API sees them. Lives on the main thread. */
export interface Presence {
  connection(deviceUid: number): Connection
  /** Closes all sessions of the device. */
  closeDevice(deviceUid: number, reason: EndReason): Promise<void>
  /** Closes the sessions that were opened with the token. */
  closeToken(keyId: string): Promise<void>
  /** Something came from the device on a way that has no session (HTTP). */
  seen(device: DeviceIdentity): void
  /** Calls `listener` at every change; returns how to stop. */
  subscribe(listener: (device: DeviceIdentity, connection: Connection) => void): () => void
}
