import type { Connection } from '@drover/protocol'
import { DroverError, limits } from '@drover/protocol'
import { PresenceChanges } from './directory-changes.ts'
import {
  cancelClaim,
  connectionOf,
  type Device,
  forget,
  type Gateway,
  isExpired,
  isIdle,
  makeRoom,
  newDevice,
  newSession,
  type Owner,
  owns,
  restorePresence,
  type Session,
} from './directory-sessions.ts'
import type { DeviceAuthenticator, DeviceCredentials, DeviceIdentity } from './identity.ts'
import type { EndReason, KeepPresence, KeptPresence, Presence, PresenceToKeep } from './presence.ts'
import type {
  ClosedSession,
  GatewaySessions,
  OpenedSession,
  OpenRequest,
  SessionDirectory,
} from './sessions.ts'

/** A session that processing still keeps packet ids of, found at the start. */
export interface RestoredSession {
  readonly deviceUid: number
  readonly clientId: string
}

export interface DirectoryOptions {
  readonly authenticator: DeviceAuthenticator
  readonly restored?: Iterable<RestoredSession>
  /** What `keepChanges` gave away before, in this process or an earlier one. */
  readonly kept?: Iterable<KeptPresence>
  /** Milliseconds since 1970. */
  readonly nowMs?: () => number
}

/** Who is connected, on the main thread; every gateway attaches itself and asks here before it lets a client in. */
export interface Directory extends Presence, PresenceToKeep {
  attach(gateway: GatewaySessions): AttachedGateway
  /** Forgets sessions that have expired; to be called about once a minute. */
  sweep(): void
}

export interface AttachedGateway extends SessionDirectory {
  /** The gateway is gone, and all its connections with it. */
  detach(): void
}

/** How long an API call waits for a gateway to say that it has closed a connection. */
const closeWaitMs = 1_000

export function createDirectory(options: DirectoryOptions): Directory {
  return new SessionsByDevice(options)
}

class SessionsByDevice implements Directory {
  readonly #authenticator: DeviceAuthenticator
  readonly #nowMs: () => number
  readonly #devices = new Map<number, Device>()
  readonly #changes = new PresenceChanges()
  readonly #listeners = new Set<(device: DeviceIdentity, connection: Connection) => void>()
  /** Counts revocations: an authentication that one of them overtook is repeated. */
  #revocations = 0

  constructor({ authenticator, restored = [], kept = [], nowMs = Date.now }: DirectoryOptions) {
    this.#authenticator = authenticator
    this.#nowMs = nowMs
    for (const presence of kept) restorePresence(this.#device(presence.deviceUid), presence)
    for (const { deviceUid, clientId } of restored) this.#restore(deviceUid, clientId)
  }

  attach(sessions: GatewaySessions): AttachedGateway {
    const gateway: Gateway = { sessions, byConnection: new Map() }
    return {
      open: (request) => this.#open(gateway, request),
      closed: (session) => this.#closed(gateway, session),
      settled: (connection, resetPending) => this.#settled(gateway, connection, resetPending),
      active: (connections) => this.#active(gateway, connections),
      detach: () => this.#detach(gateway),
    }
  }

  connection(deviceUid: number): Connection {
    const device = this.#devices.get(deviceUid)
    return device
      ? connectionOf(device)
      : { online: false, since: null, lastSeen: null, reason: null, sessions: 0 }
  }

  async closeDevice(deviceUid: number, reason: EndReason): Promise<void> {
    this.#revocations++
    const device = this.#devices.get(deviceUid)
    if (!device) return
    device.deleted = reason === 'deviceDeleted'
    await this.#closeAll(device.sessions, () => true, reason)
    if (device.deleted && device.online === 0) this.#devices.delete(deviceUid)
  }

  async closeToken(keyId: string): Promise<void> {
    this.#revocations++
    const sessions = [...this.#devices.values()].flatMap((device) => device.sessions)
    await this.#closeAll(sessions, (owner) => owner.keyId === keyId, 'tokenRevoked')
  }

  seen(identity: DeviceIdentity): void {
    this.#changes.seen(this.#deviceOf(identity), this.#nowMs())
  }

  subscribe(listener: (device: DeviceIdentity, connection: Connection) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  sweep(): void {
    const nowMs = this.#nowMs()
    for (const { sessions } of this.#devices.values())
      for (const session of [...sessions]) if (isExpired(session, nowMs)) forget(session)
  }

  keepChanges(keep: KeepPresence, devicesMax: number, last = false): Promise<number> {
    return this.#changes.keep(keep, devicesMax, last ? Number.POSITIVE_INFINITY : this.#nowMs())
  }

  async #open(gateway: Gateway, request: OpenRequest): Promise<OpenedSession | undefined> {
    const identity = await this.#authenticate(request.credentials)
    const session = this.#sessionOf(this.#deviceOf(identity), request.clientId)
    const claim = ++session.claim
    const claimant = { gateway, connection: request.connection, keyId: identity.keyId }
    session.claimant = claimant
    gateway.byConnection.set(request.connection, session)
    await this.#endOlder(session)
    if (session.claim !== claim) {
      gateway.byConnection.delete(request.connection)
      return undefined
    }
    return this.#grant(session, claimant, request, identity)
  }

  /** The credentials are good even after every revocation that came while they were checked. */
  async #authenticate(credentials: DeviceCredentials): Promise<DeviceIdentity> {
    for (;;) {
      const revocations = this.#revocations
      const identity = await this.#authenticator.authenticate(credentials)
      if (revocations === this.#revocations) return identity
    }
  }

  /** Answers when no older connection of the session is open or has anything on its way to the queue. */
  async #endOlder(session: Session): Promise<void> {
    while (session.owner) {
      const { gateway, connection } = session.owner
      await gateway.sessions.end(connection, 'takenOver').catch(() => {})
      // A gateway that has ended it, or is gone itself, has nothing of it on its way.
      if (session.owner?.gateway === gateway && session.owner.connection === connection) {
        session.owner = undefined
        gateway.byConnection.delete(connection)
      }
    }
  }

  #grant(session: Session, owner: Owner, request: OpenRequest, identity: DeviceIdentity): OpenedSession {
    const { device } = session
    const present = session.resumable && !request.cleanStart
    // Whoever begins anew makes processing forget what an older session of that name has left there.
    if (!present) session.resetPending = true
    session.owner = owner
    session.claimant = undefined
    session.unsettled = false
    session.online = true
    session.expirySeconds = request.expirySeconds
    session.resumable = request.expirySeconds > 0
    this.#count(device)
    this.#changes.seen(device, this.#nowMs())
    this.#tell(device)
    return { identity, present, resetPending: session.resetPending }
  }

  #closed(gateway: Gateway, closed: ClosedSession): void {
    const session = gateway.byConnection.get(closed.connection)
    if (!session) return
    if (owns(session.owner, gateway, closed.connection)) this.#ownerClosed(session, closed)
    else this.#claimantClosed(session, gateway, closed)
  }

  #ownerClosed(session: Session, closed: ClosedSession): void {
    session.resetPending = closed.resetPending
    session.expirySeconds = closed.expirySeconds ?? session.expirySeconds
    session.resumable = session.expirySeconds > 0
    session.expiresAtMs = this.#nowMs() + session.expirySeconds * 1_000
    session.unsettled = closed.unsettled
    if (!closed.unsettled) this.#release(session)
    if (closed.reason === 'disconnected') this.#changes.seen(session.device, this.#nowMs())
    // While another connection takes over, the device is not away.
    if (!session.claimant) this.#wentOffline(session, closed.reason)
  }

  /** It waited for its turn and has given up; the one before it may have ended meanwhile. */
  #claimantClosed(session: Session, gateway: Gateway, { connection, reason }: ClosedSession): void {
    gateway.byConnection.delete(connection)
    if (!owns(session.claimant, gateway, connection)) return
    cancelClaim(session)
    if (!session.owner || session.unsettled) this.#wentOffline(session, reason)
    if (isIdle(session) && !session.resumable) forget(session)
  }

  #settled(gateway: Gateway, connection: number, resetPending: boolean): void {
    const session = gateway.byConnection.get(connection)
    if (!session || !owns(session.owner, gateway, connection)) return
    session.resetPending = resetPending
    session.unsettled = false
    this.#release(session)
  }

  /** The connection has ended and has nothing on its way any more. */
  #release(session: Session): void {
    const { owner } = session
    owner?.gateway.byConnection.delete(owner.connection)
    session.owner = undefined
    if (isIdle(session) && !session.resumable) forget(session)
  }

  #wentOffline(session: Session, reason: EndReason): void {
    const { device } = session
    if (!session.online) return
    session.online = false
    this.#count(device, reason)
    this.#tell(device)
    if (device.deleted && device.online === 0) this.#devices.delete(device.uid)
  }

  /** Counts the sessions that are open; the first one makes the device online, the last one offline. */
  #count(device: Device, reason?: EndReason): void {
    const online = device.sessions.filter((session) => session.online).length
    if (online > 0 !== device.online > 0) {
      device.sinceMs = this.#nowMs()
      device.reason = online > 0 ? undefined : reason
      this.#changes.changed(device)
    }
    device.online = online
  }

  #active(gateway: Gateway, connections: readonly number[]): void {
    const nowMs = this.#nowMs()
    for (const connection of connections) {
      const session = gateway.byConnection.get(connection)
      if (session) this.#changes.seen(session.device, nowMs)
    }
  }

  #detach(gateway: Gateway): void {
    for (const [connection, session] of [...gateway.byConnection])
      this.#closed(gateway, {
        connection,
        reason: 'serverStopped',
        expirySeconds: undefined,
        unsettled: false,
        resetPending: session.resetPending,
      })
  }

  async #closeAll(
    sessions: readonly Session[],
    matches: (owner: Owner) => boolean,
    reason: EndReason,
  ): Promise<void> {
    const ends: Promise<void>[] = []
    for (const session of [...sessions])
      for (const owner of [session.owner, session.claimant])
        if (owner && matches(owner)) {
          if (owner === session.claimant) cancelClaim(session)
          ends.push(owner.gateway.sessions.end(owner.connection, reason).catch(() => {}))
        }
    if (ends.length === 0) return
    // What is still on its way to a queue that does not answer keeps nobody waiting: the wires are closed at once.
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, closeWaitMs)
    await Promise.race([Promise.all(ends), late])
    clearTimeout(timer)
  }

  #deviceOf(identity: DeviceIdentity): Device {
    const device = this.#device(identity.deviceUid)
    device.identity = identity
    return device
  }

  #device(uid: number): Device {
    let device = this.#devices.get(uid)
    if (!device) {
      device = newDevice(uid)
      this.#devices.set(uid, device)
    }
    return device
  }

  /** The client's session, perhaps a new one; rejects when the device has as many open ones as it may have. */
  #sessionOf(device: Device, clientId: string): Session {
    const nowMs = this.#nowMs()
    const existing = device.sessions.find((session) => session.clientId === clientId)
    if (existing && isExpired(existing, nowMs)) existing.resumable = false
    const others = device.sessions.filter((session) => session !== existing)
    const busy = others.filter((session) => !isIdle(session)).length
    if (busy >= limits.connectionsPerDevice)
      throw new DroverError('tooManyConnections', { limit: limits.connectionsPerDevice })
    if (existing) return existing
    makeRoom(device)
    const session = newSession(device, clientId)
    device.sessions.push(session)
    return session
  }

  #restore(deviceUid: number, clientId: string): void {
    const device = this.#device(deviceUid)
    if (device.sessions.some((session) => session.clientId === clientId)) return
    const session = newSession(device, clientId)
    session.resumable = true
    session.resetPending = false
    session.expirySeconds = limits.sessionExpirySecondsMax
    session.expiresAtMs = this.#nowMs() + limits.sessionExpirySecondsMax * 1_000
    makeRoom(device)
    device.sessions.push(session)
  }

  #tell(device: Device): void {
    if (!device.identity) return
    for (const listener of this.#listeners) listener(device.identity, connectionOf(device))
  }
}
