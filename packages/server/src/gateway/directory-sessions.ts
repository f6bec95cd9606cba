import { type Connection, limits } from '@drover/protocol'
import type { DeviceIdentity } from './identity.ts'
import type { EndReason, KeptPresence } from './presence.ts'
import type { GatewaySessions } from './sessions.ts'

/** A gateway's connection that owns a session, or claims it and waits for the older one to end. */
export interface Owner {
  readonly gateway: Gateway
  readonly connection: number
  readonly keyId: string
}

export interface Session {
  readonly device: Device
  readonly clientId: string
  /** Rises with every claim: only the newest is granted. */
  claim: number
  owner: Owner | undefined
  claimant: Owner | undefined
  /** Whether its owner has closed and still has records on their way to the queue. */
  unsettled: boolean
  /** Whether the device is there by it; stays while one connection takes over from another. */
  online: boolean
  /** Whether there is a session to come back to. */
  resumable: boolean
  resetPending: boolean
  expirySeconds: number
  expiresAtMs: number
}

export interface Device {
  readonly uid: number
  identity: DeviceIdentity | undefined
  readonly sessions: Session[]
  online: number
  sinceMs: number
  lastSeenMs: number
  reason: EndReason | undefined
  deleted: boolean
}

export interface Gateway {
  readonly sessions: GatewaySessions
  readonly byConnection: Map<number, Session>
}

export function newDevice(uid: number): Device {
  return {
    uid,
    identity: undefined,
    sessions: [],
    online: 0,
    sinceMs: 0,
    lastSeenMs: 0,
    reason: undefined,
    deleted: false,
  }
}

export function newSession(device: Device, clientId: string): Session {
  return {
    device,
    clientId,
    claim: 0,
    owner: undefined,
    claimant: undefined,
    unsettled: false,
    online: false,
    resumable: false,
    resetPending: true,
    expirySeconds: 0,
    expiresAtMs: 0,
  }
}

/** A device as it is found at the start: nobody is online, and who was when it was kept has been cut off. */
export function restorePresence(device: Device, kept: KeptPresence): void {
  const { sinceMs, lastSeenMs, reason } = kept
  const cutOff = sinceMs > 0 && reason === undefined
  device.sinceMs = cutOff ? Math.max(sinceMs, lastSeenMs) : sinceMs
  device.lastSeenMs = lastSeenMs
  device.reason = cutOff ? 'serverStopped' : reason
}

/** Sessions that nobody uses count too: the one that would expire first makes room. */
export function makeRoom({ sessions }: Device): void {
  if (sessions.length < limits.connectionsPerDevice) return
  const idle = sessions.filter(isIdle).sort((a, b) => a.expiresAtMs - b.expiresAtMs)
  if (idle[0]) forget(idle[0])
}

export function forget(session: Session): void {
  const { sessions } = session.device
  const index = sessions.indexOf(session)
  if (index >= 0) sessions.splice(index, 1)
}

export function owns(owner: Owner | undefined, gateway: Gateway, connection: number): boolean {
  return owner?.gateway === gateway && owner.connection === connection
}

export function cancelClaim(session: Session): void {
  session.claim++
  session.claimant = undefined
}

export function isIdle(session: Session): boolean {
  return !session.owner && !session.claimant
}

export function isExpired(session: Session, nowMs: number): boolean {
  return isIdle(session) && session.expiresAtMs <= nowMs
}

export function connectionOf({ online, sinceMs, lastSeenMs, reason }: Device): Connection {
  return {
    online: online > 0,
    since: time(sinceMs),
    lastSeen: time(lastSeenMs),
    reason: reason ?? null,
    sessions: online,
  }
}

function time(ms: number): string | null {
  return ms === 0 ? null : new Date(ms).toISOString()
}
