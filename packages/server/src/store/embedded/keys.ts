import type { MessageKey, StoreBatch } from '../store.ts'
import type { AppendColumn, Connection, ResultColumn } from './duckdb.ts'

/** Changes that are kept beyond twice the keys that are held, before the table is written anew. */
const changesSlack = 50_000

interface KeyChange extends MessageKey {
  readonly held: boolean
}

/** The held keys in memory; in the table, the changes that led to them. */
export class MessageKeys {
  readonly #byDevice = new Map<number, Map<string, MessageKey>>()
  #held = 0
  #changes = 0
  #nextSequence = 0

  get(deviceUids: readonly number[] | 'all'): MessageKey[] {
    const wanted = deviceUids === 'all' ? [...this.#byDevice.keys()] : deviceUids
    return wanted.flatMap((uid) => [...(this.#byDevice.get(uid)?.values() ?? [])])
  }

  /** What a batch changes: released keys first, then new ones. */
  changesOf({ releasedKeys, newKeys }: Pick<StoreBatch, 'releasedKeys' | 'newKeys'>): KeyChange[] {
    const released = releasedKeys.flatMap(({ deviceUid, key }) =>
      this.#matching(deviceUid, key).map((held) => ({ ...held, held: false })),
    )
    return [...released, ...newKeys.map((key) => ({ ...key, held: true }))]
  }

  apply(changes: readonly KeyChange[]): void {
    this.#changes += changes.length
    this.#nextSequence += changes.length
    for (const { held, deviceUid, key, receivedAtMicros } of changes)
      if (held) this.#hold({ deviceUid, key, receivedAtMicros })
      else this.#release(deviceUid, key)
  }

  forgetDevice(deviceUid: number): void {
    this.#held -= this.#byDevice.get(deviceUid)?.size ?? 0
    this.#byDevice.delete(deviceUid)
  }

  /** Rows of the table for these changes, behind those it has. */
  rows(changes: readonly KeyChange[]): AppendColumn[] {
    return changeColumns(changes, this.#nextSequence)
  }

  get wantsCompaction(): boolean {
    return this.#changes > 2 * this.#held + changesSlack
  }

  /** Writes the table anew, within the transaction that is open. */
  async compact(connection: Connection): Promise<void> {
    const held = this.get('all').map((key) => ({ ...key, held: true }))
    await connection.run('DELETE FROM message_keys')
    await connection.append('message_keys', held.length, changeColumns(held, 0))
    this.#changes = held.length
    this.#nextSequence = held.length
  }

  /** Sequence numbers up to this one are taken in the table. */
  startAfter(sequence: number): void {
    this.#nextSequence = sequence + 1
  }

  #matching(deviceUid: number, pattern: string): MessageKey[] {
    const held = this.#byDevice.get(deviceUid)
    if (!held) return []
    if (!pattern.endsWith('*')) return [held.get(pattern) ?? []].flat()
    const prefix = pattern.slice(0, -1)
    return [...held.values()].filter(({ key }) => key.startsWith(prefix))
  }

  #hold(key: MessageKey): void {
    const held = this.#byDevice.get(key.deviceUid) ?? new Map<string, MessageKey>()
    this.#byDevice.set(key.deviceUid, held)
    if (!held.has(key.key)) this.#held++
    held.set(key.key, key)
  }

  #release(deviceUid: number, key: string): void {
    const held = this.#byDevice.get(deviceUid)
    if (held?.delete(key)) this.#held--
    if (held?.size === 0) this.#byDevice.delete(deviceUid)
  }
}

function changeColumns(changes: readonly KeyChange[], firstSequence: number): AppendColumn[] {
  return [
    { type: 'bigint', values: BigInt64Array.from(changes, (_, at) => BigInt(firstSequence + at)) },
    { type: 'integer', values: Int32Array.from(changes, (change) => change.deviceUid) },
    { type: 'text', values: changes.map((change) => change.key) },
    { type: 'bigint', values: BigInt64Array.from(changes, (change) => BigInt(change.receivedAtMicros)) },
    { type: 'boolean', values: changes.map((change) => change.held) },
  ]
}

export async function loadKeys(connection: Connection): Promise<MessageKeys> {
  const keys = new MessageKeys()
  const [sequence, uids, names, received, held] = (await connection.columns(
    `SELECT sequence::DOUBLE, device_uid, key, received_at::DOUBLE, held::UTINYINT FROM message_keys
     ORDER BY sequence`,
  )) as [Float64Array, Int32Array, string[], Float64Array, Uint8Array] & ResultColumn[]
  const changes = names.map((key, at) => ({
    deviceUid: uids[at]!,
    key,
    receivedAtMicros: received[at]!,
    held: held[at] === 1,
  }))
  keys.apply(changes)
  keys.startAfter(sequence.at(-1) ?? -1)
  return keys
}
