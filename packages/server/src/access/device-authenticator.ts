import { DroverError, limits, parseDeviceToken } from '@drover/protocol'
import type { DeviceAuthenticator, DeviceCredentials, DeviceIdentity } from '../gateway/identity.ts'
import { defaultTenant } from '../model/device.ts'
import type { Registry } from '../registry/registry.ts'
import type { TokenHolder } from '../registry/tokens.ts'
import type { Clock } from '../runtime/clock.ts'
import { record } from './actor.ts'
import type { RefusalLog } from './refusals.ts'
import { sameHash, sha256 } from './secrets.ts'

/** Checks device tokens, and forgets what it remembers of them when they change. */
export interface DeviceAccess extends DeviceAuthenticator {
  /** The token was revoked. */
  forgetToken(keyId: string): void
  /** The device was deleted, suspended or made active. */
  forgetDevice(deviceUid: number): void
  /** Anything may have changed. */
  forgetAll(): void
  /** Writes when tokens were last used. */
  flush(): Promise<void>
  close(): Promise<void>
}

export interface DeviceAuthenticatorOptions {
  readonly registry: Registry
  readonly clock: Clock
  readonly refusals?: RefusalLog
  readonly cachedMax?: number
}

/** How often the times of last use are written. */
const usedPeriodMs = 30_000

export function createDeviceAuthenticator(options: DeviceAuthenticatorOptions): DeviceAccess {
  const { registry, clock, refusals } = options
  const holders = new HolderCache(registry, options.cachedMax ?? limits.authenticationsCachedMax)
  let used = new Map<string, number>()

  async function check({ deviceId, token }: DeviceCredentials): Promise<DeviceIdentity> {
    if (token === '') throw new DroverError('unauthenticated')
    const parsed = parseDeviceToken(token)
    const holder = parsed && (await holders.get(parsed.keyId))
    if (!holder || !sameHash(holder.hash, sha256(parsed.secret))) throw new DroverError('badCredentials')
    if (deviceId !== undefined && deviceId !== holder.deviceId) throw new DroverError('badCredentials')
    if (holder.state === 'suspended')
      throw new DroverError('forbidden', { reason: 'the device is suspended' })
    used.set(parsed.keyId, clock.nowMicros())
    const { tenant, deviceUid, deviceId: id } = holder
    return { tenant, deviceUid, deviceId: id, keyId: parsed.keyId }
  }

  async function flush(): Promise<void> {
    const times = used
    used = new Map()
    if (times.size > 0) await registry.transaction(({ tokens }) => tokens.used(times))
  }
  // When a token was last used is a convenience; the next use writes it again.
  const stopTimer = clock.every(usedPeriodMs, () => void flush().catch(() => {}))

  return {
    async authenticate(credentials) {
      try {
        return await check(credentials)
      } catch (error) {
        if (error instanceof DroverError) refusals?.add(refusalOf(credentials, error))
        throw error
      }
    },
    forgetToken: (keyId) => holders.forget(keyId),
    forgetDevice: (deviceUid) => holders.forgetDevice(deviceUid),
    forgetAll: () => holders.forgetAll(),
    flush,
    async close() {
      stopTimer()
      await flush()
    },
  }
}

/** The key id is no secret; the rest of what was sent is not written anywhere. */
function refusalOf({ deviceId, token }: DeviceCredentials, { code }: DroverError) {
  const claimed = deviceId?.slice(0, limits.identifierLengthMax) ?? null
  const keyId = parseDeviceToken(token)?.keyId
  const actor = { tenant: defaultTenant, name: 'unknown', address: null }
  return record(actor, 'device.refused', claimed, keyId === undefined ? { code } : { code, keyId })
}

/** The most recently used holders by key id, so that a reconnecting fleet does not read the registry. */
class HolderCache {
  readonly #registry: Registry
  readonly #max: number
  readonly #kept = new Map<string, TokenHolder>()
  #changes = 0

  constructor(registry: Registry, max: number) {
    this.#registry = registry
    this.#max = max
  }

  async get(keyId: string): Promise<TokenHolder | undefined> {
    const kept = this.#kept.get(keyId)
    if (kept) {
      // Last in the order of the map is the most recently used.
      this.#kept.delete(keyId)
      this.#kept.set(keyId, kept)
      return kept
    }
    return this.#load(keyId)
  }

  async #load(keyId: string): Promise<TokenHolder | undefined> {
    for (;;) {
      const changes = this.#changes
      const holder = await this.#registry.tokens.holder(keyId)
      // What was read before a revocation must not be kept after it.
      if (changes !== this.#changes) continue
      if (holder) this.#keep(keyId, holder)
      return holder
    }
  }

  #keep(keyId: string, holder: TokenHolder): void {
    if (this.#kept.size >= this.#max) this.#kept.delete(this.#kept.keys().next().value!)
    this.#kept.set(keyId, holder)
  }

  forget(keyId: string): void {
    this.#changes++
    this.#kept.delete(keyId)
  }

  forgetAll(): void {
    this.#changes++
    this.#kept.clear()
  }

  forgetDevice(deviceUid: number): void {
    this.#changes++
    for (const [keyId, holder] of this.#kept) if (holder.deviceUid === deviceUid) this.#kept.delete(keyId)
  }
}
