import { limits } from '@drover/protocol'
import type { Refusal } from '../quality/refusal.ts'
import type { RecordCursor } from '../queue/batch.ts'
import { PointColumns, type QualityCode, type TextPoint } from '../store/points.ts'
import type { QuarantineRow, Series, StoreBatch } from '../store/store.ts'
import type { DeviceState } from './device.ts'
import type { LiveBatch } from './live.ts'
import { KeyChanges } from './message-keys.ts'
import type { MetricState } from './metric.ts'

/** The message that is being processed. */
export interface Message {
  readonly device: DeviceState
  readonly record: RecordCursor
  /** The record's position in the queue. */
  readonly version: number
}

/** What becomes of some deliveries: collected here, then written in one transaction, then used again. */
export class PendingBatch {
  readonly numbers = new PointColumns()
  readonly texts: TextPoint[] = []
  readonly newSeries: Series[] = []
  readonly quarantine: QuarantineRow[] = []
  readonly quarantineDropped = new Map<number, number>()
  keys = new KeyChanges()
  live: LiveBatch | undefined
  messages = 0
  queueBytes = 0
  /** The time of receipt of each delivery's first message, and its messages. */
  readonly received: { readonly atMicros: number; readonly count: number }[] = []
  #payload: Uint8Array | undefined
  #quarantinedOfMessage = 0
  /** Rows of this message by series and time, where one may be replaced. */
  readonly #rows = new Map<string, number>()

  beginMessage(): void {
    this.messages++
    this.#payload = undefined
    this.#quarantinedOfMessage = 0
    if (this.#rows.size > 0) this.#rows.clear()
  }

  /** `mayRepeat`: the message may have held this point before; then it is replaced. */
  add(
    metric: MetricState,
    timeMicros: number,
    value: number | string,
    quality: QualityCode,
    version: number,
    mayRepeat: boolean,
  ): void {
    if (mayRepeat && this.#replace(metric, timeMicros, value, quality, version)) return
    if (typeof value === 'number') this.numbers.add(metric.seriesId, timeMicros, value, quality, version)
    else this.texts.push({ series: metric.seriesId, timeMicros, text: value, quality, version })
  }

  #replace(
    { seriesId, isNumeric }: MetricState,
    timeMicros: number,
    value: number | string,
    quality: QualityCode,
    version: number,
  ): boolean {
    const key = `${seriesId}/${timeMicros}`
    const row = this.#rows.get(key)
    if (row === undefined) {
      this.#rows.set(key, isNumeric ? this.numbers.length : this.texts.length)
      return false
    }
    if (typeof value === 'number') {
      this.numbers.value[row] = value
      this.numbers.quality[row] = quality
    } else this.texts[row] = { series: seriesId, timeMicros, text: value, quality, version }
    return true
  }

  /** Keeps a bad value or message, or counts it where the device or the message has no room left. Answers whether it is kept. */
  refuse({ device, record, version }: Message, { reason, message }: Refusal, metric: string | null): boolean {
    const { uid, tenant } = device
    const hasRoom = device.quarantined < limits.quarantinePerDeviceMax
    if (!hasRoom || this.#quarantinedOfMessage >= limits.quarantinePerMessageMax) {
      this.quarantineDropped.set(uid, (this.quarantineDropped.get(uid) ?? 0) + 1)
      return false
    }
    device.quarantined++
    this.#quarantinedOfMessage++
    this.quarantine.push({
      tenant,
      deviceUid: uid,
      reason,
      message,
      metric,
      receivedAtMicros: record.receivedAt,
      contentType: record.contentType,
      payload: this.#keptPayload(record),
      payloadBytes: record.payloadEnd - record.payloadStart,
      version,
    })
    return true
  }

  /** A copy, so that one bad message does not keep its whole batch in memory; one for all that is bad in it. */
  #keptPayload({ bytes, payloadStart, payloadEnd }: RecordCursor): Uint8Array {
    const end = Math.min(payloadEnd, payloadStart + limits.quarantinePayloadBytesMax)
    this.#payload ??= new Uint8Array(bytes.subarray(payloadStart, end))
    return this.#payload
  }

  toStoreBatch(position: StoreBatch['position']): StoreBatch {
    const { newSeries, numbers, texts, quarantine, quarantineDropped, keys, queueBytes } = this
    const { newKeys, releasedKeys } = keys
    return {
      newSeries,
      numbers,
      texts,
      quarantine,
      quarantineDropped,
      newKeys,
      releasedKeys,
      position,
      queueBytes,
    }
  }

  clear(): void {
    this.numbers.clear()
    this.texts.length = 0
    this.newSeries.length = 0
    this.quarantine.length = 0
    this.quarantineDropped.clear()
    this.keys = new KeyChanges()
    this.live = undefined
    this.messages = 0
    this.queueBytes = 0
    this.received.length = 0
  }
}
