import { DroverError, limits } from '@drover/protocol'
import { defaultTenant } from '../model/device.ts'
import type { Registry } from '../registry/registry.ts'
import type { Clock } from '../runtime/clock.ts'
import { type RandomBytes, randomBase62 } from '../runtime/ids.ts'
import { type Actor, record } from './actor.ts'
import { adminKeyName } from './admin-key.ts'
import type { RefusalLog } from './refusals.ts'
import { sha256 } from './secrets.ts'
import type { SignInAttempts } from './sign-in-attempts.ts'

export interface AccessContext {
  readonly registry: Registry
  readonly clock: Clock
  readonly random?: RandomBytes
  readonly refusals: RefusalLog
  readonly signInAttempts: SignInAttempts
}

export interface SignedIn {
  /** For the cookie; only its hash is kept. */
  readonly secret: string
  readonly expiresAtMicros: number
}

const sessionMicros = limits.consoleSessionHours * 3_600_000_000

/** Opens a console session for whoever has an administrator key. Rejects with `badCredentials`, `tooManyAttempts`. */
export async function signIn(context: AccessContext, key: string, address: string): Promise<SignedIn> {
  const { registry, clock, signInAttempts, refusals } = context
  signInAttempts.check(address)
  const found = await registry.adminKeys.find(sha256(key))
  if (!found) {
    signInAttempts.failed(address)
    refusals.add(record({ tenant: defaultTenant, name: 'unknown', address }, 'session.refused', null))
    throw new DroverError('badCredentials')
  }
  const secret = randomBase62(43, context.random)
  const hash = sha256(secret)
  const atMicros = clock.nowMicros()
  const expiresAtMicros = atMicros + sessionMicros
  await registry.transaction(async ({ consoleSessions, audit }) => {
    await consoleSessions.insert(found.tenant, hash, atMicros, expiresAtMicros, limits.consoleSessionsMax)
    await audit.add(
      record({ tenant: found.tenant, name: found.name, address }, 'session.create', nameOf(hash)),
      atMicros,
    )
  })
  return { secret, expiresAtMicros }
}

export async function signOut(
  { registry, clock }: AccessContext,
  secret: string,
  actor: Actor,
): Promise<void> {
  await registry.transaction(async ({ consoleSessions, audit }) => {
    await consoleSessions.delete(sha256(secret))
    await audit.add(record(actor, 'session.delete', nameOf(sha256(secret))), clock.nowMicros())
  })
}

/** The session of a cookie. Rejects with `badCredentials` when it has ended. */
export async function findSession(
  { registry, clock }: AccessContext,
  secret: string,
  address: string,
): Promise<Actor & { readonly expiresAtMicros: number }> {
  const hash = sha256(secret)
  const found = await registry.consoleSessions.find(hash)
  if (!found || found.expiresAtMicros <= clock.nowMicros()) throw new DroverError('badCredentials')
  return { tenant: found.tenant, name: nameOf(hash), address, expiresAtMicros: found.expiresAtMicros }
}

/** Who has that bearer key. Rejects with `badCredentials`. */
export async function findKeyHolder(
  { registry }: AccessContext,
  key: string,
  address: string,
): Promise<Actor> {
  const found = await registry.adminKeys.find(sha256(key))
  if (!found) throw new DroverError('badCredentials')
  return {
    tenant: found.tenant,
    name: found.name === adminKeyName ? adminKeyName : `key:${found.name}`,
    address,
  }
}

/** Tells sessions apart in the audit log, without what could open them. */
function nameOf(hash: Buffer): string {
  return `session:${hash.toString('hex', 0, 4)}`
}
