import { limits } from '@drover/protocol'
import type { MessageKey, StoreBatch } from '../store/store.ts'

const idempotencyMicros = limits.idempotencyKeyHours * 3_600_000_000
/** Packet ids of QoS 2 that all sessions of a device may hold; past it, the oldest is forgotten. */
const sessionKeysMax = limits.inFlightPerConnectionMax * limits.connectionsPerDevice

/**
 * The keys of one device's messages that were seen and may come again: `m:<clientId>:<packetId>` until it is released,
 * `h:<Idempotency-Key>` for a day.
 */
export class HeldKeys {
  readonly #deviceUid: number
  /** In the order in which they were seen. */
  readonly #session = new Map<string, number>()
  readonly #idempotency = new Map<string, number>()

  constructor(deviceUid: number, stored: readonly MessageKey[]) {
    this.#deviceUid = deviceUid
    for (const { key, receivedAtMicros } of stored.toSorted(
      (a, b) => a.receivedAtMicros - b.receivedAtMicros,
    ))
      this.#held(key).set(key, receivedAtMicros)
  }

  /** Answers false for a message that was seen before; else its key is held from now on. */
  hold(messageKey: string, receivedAtMicros: number, changes: KeyChanges): boolean {
    const key = storedKey(messageKey)
    const held = this.#held(key)
    if (held === this.#idempotency) this.#expire(receivedAtMicros, changes)
    if (held.has(key)) return false
    const keysMax = held === this.#idempotency ? limits.idempotencyKeysPerDeviceMax : sessionKeysMax
    if (held.size >= keysMax) this.#forget(held.keys().next().value!, changes)
    held.set(key, receivedAtMicros)
    changes.hold({ deviceUid: this.#deviceUid, key, receivedAtMicros })
    return true
  }

  release(messageKey: string, changes: KeyChanges): void {
    const key = storedKey(messageKey)
    if (this.#held(key).has(key)) this.#forget(key, changes)
  }

  /** Forgets what the session of this key held: `m:<clientId>:` and digits. Another client id may begin alike. */
  resetSession(messageKey: string, changes: KeyChanges): void {
    const prefix = messageKey.slice(0, messageKey.lastIndexOf(':') + 1)
    for (const key of [...this.#session.keys()])
      if (key.lastIndexOf(':') === prefix.length - 1 && key.startsWith(prefix)) this.#forget(key, changes)
  }

  #held(key: string): Map<string, number> {
    return key.startsWith('h:') ? this.#idempotency : this.#session
  }

  #expire(nowMicros: number, changes: KeyChanges): void {
    for (const [key, receivedAtMicros] of this.#idempotency) {
      if (receivedAtMicros + idempotencyMicros > nowMicros) return
      this.#forget(key, changes)
    }
  }

  #forget(key: string, changes: KeyChanges): void {
    this.#held(key).delete(key)
    changes.release(this.#deviceUid, key)
  }
}

/** As the store takes it: a released key that ends in `*` stands for many there, which a sender's key must not do. */
function storedKey(messageKey: string): string {
  return messageKey.startsWith('h:') ? `${messageKey};` : messageKey
}

/** The session of a stored key `m:<clientId>:<packetId>`; undefined for a key of no session. */
export function clientIdOf(key: string): string | undefined {
  return key.startsWith('m:') ? key.slice(2, key.lastIndexOf(':')) : undefined
}

/** What a batch changes in the held keys, as the store takes it: first all releases, then all that are held after it. */
export class KeyChanges {
  readonly #new = new Map<string, MessageKey>()
  readonly #released = new Map<string, StoreBatch['releasedKeys'][number]>()

  hold(key: MessageKey): void {
    this.#new.set(`${key.deviceUid}/${key.key}`, key)
  }

  release(deviceUid: number, key: string): void {
    const id = `${deviceUid}/${key}`
    this.#new.delete(id)
    this.#released.set(id, { deviceUid, key })
  }

  get newKeys(): readonly MessageKey[] {
    return [...this.#new.values()]
  }

  get releasedKeys(): StoreBatch['releasedKeys'] {
    return [...this.#released.values()]
  }
}
