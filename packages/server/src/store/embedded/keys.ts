import type { DatabaseSync } from 'node:sqlite'
import type { MessageKey, StoreBatch } from '../store.ts'
import type { Changes } from './changes.ts'

/** All held keys, in memory. */
export class MessageKeys {
  readonly #byDevice = new Map<number, Map<string, MessageKey>>()

  get(deviceUids: readonly number[] | 'all'): MessageKey[] {
    const wanted = deviceUids === 'all' ? [...this.#byDevice.keys()] : deviceUids
    return wanted.flatMap((uid) => [...(this.#byDevice.get(uid)?.values() ?? [])])
  }

  /** What a batch changes, released keys first; noted in `changes`. */
  apply(batch: Pick<StoreBatch, 'releasedKeys' | 'newKeys'>, changes: Changes): void {
    for (const { deviceUid, key } of batch.releasedKeys)
      for (const held of this.#matching(deviceUid, key)) {
        this.#release(held)
        changes.releaseKey(held)
      }
    for (const key of batch.newKeys) {
      changes.holdKey(key, this.#byDevice.get(key.deviceUid)?.has(key.key) ?? false)
      this.hold(key)
    }
  }

  hold(key: MessageKey): void {
    const held = this.#byDevice.get(key.deviceUid)
    if (held) held.set(key.key, key)
    else this.#byDevice.set(key.deviceUid, new Map([[key.key, key]]))
  }

  forgetDevice(deviceUid: number): void {
    this.#byDevice.delete(deviceUid)
  }

  #matching(deviceUid: number, pattern: string): MessageKey[] {
    const held = this.#byDevice.get(deviceUid)
    if (!held) return []
    if (!pattern.endsWith('*')) return [held.get(pattern) ?? []].flat()
    const prefix = pattern.slice(0, -1)
    return [...held.values()].filter(({ key }) => key.startsWith(prefix))
  }

  #release({ deviceUid, key }: MessageKey): void {
    const held = this.#byDevice.get(deviceUid)
    held?.delete(key)
    if (held?.size === 0) this.#byDevice.delete(deviceUid)
  }
}

export function loadKeys(db: DatabaseSync): MessageKeys {
  const keys = new MessageKeys()
  const rows = db.prepare(
    'SELECT device_uid AS deviceUid, key, received_at AS receivedAtMicros FROM message_keys',
  )
  for (const row of rows.iterate()) keys.hold({ ...(row as unknown as MessageKey) })
  return keys
}
