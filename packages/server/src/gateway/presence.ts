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
