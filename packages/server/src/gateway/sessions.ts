import type { DeviceCredentials, DeviceIdentity } from './identity.ts'
import type { EndReason } from './presence.ts'

/** A client that asks for its session. */
export interface OpenRequest {
  /** The number of the connection in its gateway; never used twice there. */
  readonly connection: number
  readonly credentials: DeviceCredentials
  readonly clientId: string
  /** Whether to begin anew, whatever session there is. */
  readonly cleanStart: boolean
  /** Seconds that the session outlives the connection. */
  readonly expirySeconds: number
}

export interface OpenedSession {
  readonly identity: DeviceIdentity
  /** Whether an earlier session goes on. */
  readonly present: boolean
  /** Whether processing may still know packet ids of an older session of that name, which the first QoS 2 record must clear. */
  readonly resetPending: boolean
}

export interface ClosedSession {
  readonly connection: number
  readonly reason: EndReason
  /** Seconds that the session lasts, if the client changed it (DISCONNECT of MQTT 5.0). */
  readonly expirySeconds: number | undefined
  /** Whether records of the connection are still on their way to the queue; `settled` follows. */
  readonly unsettled: boolean
  readonly resetPending: boolean
}

/** The directory of sessions as one gateway sees it. Lives on the main thread. */
export interface SessionDirectory {
  /**
   * Grants the session. An older connection of the same client has then been closed and has nothing on its way any
   * more. Undefined: a newer connection of that client came meanwhile. Rejects as `DeviceAuthenticator` does, and
   * with `tooManyConnections`.
   */
  open(request: OpenRequest): Promise<OpenedSession | undefined>
  closed(session: ClosedSession): void
  settled(connection: number, resetPending: boolean): void
  /** Connections from which something came since the last call. */
  active(connections: readonly number[]): void
}

/** A gateway as the directory sees it. */
export interface GatewaySessions {
  /** Closes the connection at once; answers when nothing of it is on its way to the queue any more. */
  end(connection: number, reason: EndReason): Promise<void>
}
