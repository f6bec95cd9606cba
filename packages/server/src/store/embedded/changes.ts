import type { DatabaseSync } from 'node:sqlite'
import { positionKey } from '../position.ts'
import type { MessageKey, QuarantineStored, Series, StoreBatch } from '../store.ts'
import { forRows } from './ledger.ts'
import { quarantineValues, saveQuarantine } from './quarantine.ts'

export interface KeyChange extends MessageKey {
  readonly held: boolean
  /** It was not held when these changes began, so that the ledger does not have it. */
  readonly isNew: boolean
}

/** What batches changed beside points since the tables were switched; the ledger gets it together with their segments. */
export class Changes {
  series: Series[] = []
  quarantine: QuarantineStored[] = []
  readonly quarantineDropped = new Map<number, number>()
  readonly #keys = new Map<string, KeyChange>()
  readonly #positions = new Map<string, StoreBatch['position']>()
  /** µs since 1970 of the first batch. */
  startedMicros = Number.POSITIVE_INFINITY
  messages = 0
  queueBytes = 0

  get isEmpty(): boolean {
    return this.#positions.size === 0
  }

  get positions(): Iterable<StoreBatch['position']> {
    return this.#positions.values()
  }

  addBatch({ position, queueBytes, quarantineDropped }: StoreBatch, nowMicros: number): void {
    this.startedMicros = Math.min(this.startedMicros, nowMicros)
    this.messages += position.position - (position.expected ?? -1)
    this.queueBytes += queueBytes
    this.#positions.set(positionKey(position.consumer, position.partition), position)
    for (const [deviceUid, count] of quarantineDropped)
      this.quarantineDropped.set(deviceUid, (this.quarantineDropped.get(deviceUid) ?? 0) + count)
  }

  holdKey(key: MessageKey, wasHeld: boolean): void {
    const id = `${key.deviceUid}/${key.key}`
    const before = this.#keys.get(id)
    this.#keys.set(id, { ...key, held: true, isNew: before ? before.isNew : !wasHeld })
  }

  releaseKey(key: MessageKey): void {
    const id = `${key.deviceUid}/${key.key}`
    if (this.#keys.get(id)?.isNew) this.#keys.delete(id)
    else this.#keys.set(id, { ...key, held: false, isNew: false })
  }

  forgetDevice(deviceUid: number): void {
    this.series = this.series.filter((series) => series.deviceUid !== deviceUid)
    this.quarantine = this.quarantine.filter((entry) => entry.deviceUid !== deviceUid)
    this.quarantineDropped.delete(deviceUid)
    for (const [id, key] of this.#keys) if (key.deviceUid === deviceUid) this.#keys.delete(id)
  }

  /** Within a transaction of the ledger. */
  async save(db: DatabaseSync): Promise<void> {
    const addSeries = db.prepare('INSERT INTO series VALUES (?, ?, ?, ?, ?, ?)')
    await forRows(addSeries, this.series, (series) => [
      series.id,
      series.tenant,
      series.deviceUid,
      series.metric,
      series.type,
      series.unit,
    ])
    await forRows(db.prepare(saveQuarantine), this.quarantine, quarantineValues)
    const addDropped = db.prepare(
      `INSERT INTO quarantine_dropped VALUES (?, ?) ON CONFLICT DO UPDATE SET dropped = dropped + excluded.dropped`,
    )
    await forRows(addDropped, this.quarantineDropped, (row) => row)
    await this.#saveKeys(db)
    const move = db.prepare('INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?)')
    for (const { consumer, partition, identity, position } of this.positions)
      move.run(consumer, partition, identity, position)
  }

  async #saveKeys(db: DatabaseSync): Promise<void> {
    const changes = [...this.#keys.values()]
    await forRows(
      db.prepare('DELETE FROM message_keys WHERE device_uid = ? AND key = ?'),
      changes.filter(({ held }) => !held),
      ({ deviceUid, key }) => [deviceUid, key],
    )
    await forRows(
      db.prepare('INSERT OR REPLACE INTO message_keys VALUES (?, ?, ?)'),
      changes.filter(({ held }) => held),
      ({ deviceUid, key, receivedAtMicros }) => [deviceUid, key, receivedAtMicros],
    )
  }
}
