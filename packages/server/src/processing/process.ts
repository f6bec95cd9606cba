import { DroverError, limits, type QuarantineReason, type ValueType } from '@drover/protocol'
import { type Refusal, refusal } from '../quality/refusal.ts'
import { checkTime } from '../quality/time.ts'
import { storable, typeOfValue, unlimited } from '../quality/value.ts'
import { channels, RecordCursor, recordFlags } from '../queue/batch.ts'
import type { Delivery } from '../queue/queue.ts'
import { quality } from '../store/points.ts'
import type { Series } from '../store/store.ts'
import { decode } from './decode.ts'
import type { DeviceState } from './device.ts'
import { Devices, type StoredState } from './devices.ts'
import { LiveBatch, type LivePublisher } from './live.ts'
import { MetricState, unknownMetric } from './metric.ts'
import { checkMetricName } from './metric-name.ts'
import type { ProcessingMetrics } from './metrics.ts'
import type { Message, PendingBatch } from './pending-batch.ts'
import type { DeviceProfiles } from './profiles.ts'
import { Readings } from './readings.ts'
import { SeriesIds } from './series-ids.ts'

export interface ProcessorOptions {
  readonly profiles: DeviceProfiles
  readonly stored: StoredState
  readonly metrics: ProcessingMetrics
  readonly live: Pick<LivePublisher, 'wants'>
  /** An error of the program at one message, which is in quarantine now. */
  readonly onFailure: (error: unknown) => void
  /** Devices whose state is kept in memory. */
  readonly devicesMax?: number
}

/** A full quarantine is counted again after this long: its entries end by and by. */
const recountMicros = 3_600_000_000

/**
 * Makes of deliveries what is to be stored: decodes, checks, and drops what was seen before. The state of devices that it
 * keeps is ahead of the store by the batches that are not written yet; when a write is given up, so is the processor.
 */
export class Processor {
  readonly devices: Devices
  readonly #options: ProcessorOptions
  readonly #ids: SeriesIds
  readonly #readings = new Readings()
  readonly #toRecount = new Set<DeviceState>()

  constructor(options: ProcessorOptions) {
    this.#options = options
    this.devices = new Devices(options.profiles, options.stored, options.devicesMax)
    this.#ids = new SeriesIds(options.stored.reserveSeriesIds)
  }

  /** Adds to the empty `batch` what becomes of all records after the position `stored`. Deliveries are of one partition. */
  async process(deliveries: readonly Delivery[], stored: number, batch: PendingBatch): Promise<void> {
    await this.#recount()
    await this.#loadDevices(deliveries)
    for (const delivery of deliveries) {
      const record = new RecordCursor(delivery.bytes)
      while (record.next()) {
        if (delivery.firstPosition + record.index <= stored) continue
        const version = (delivery.firstVersion ?? delivery.firstPosition) + record.index
        if (!this.#ids.has(limits.metricsPerDeviceMax)) await this.#ids.refill()
        this.#processRecord(record, version, batch)
      }
      batch.received.push({ atMicros: record.receivedAt, count: record.count })
      batch.queueBytes += delivery.bytes.length
    }
    this.#options.metrics.devices = this.devices.size
  }

  async #recount(): Promise<void> {
    if (this.#toRecount.size === 0) return
    const devices = [...this.#toRecount]
    this.#toRecount.clear()
    const counts = await this.#options.stored.quarantineCounts(devices.map(({ uid }) => uid))
    for (const device of devices) device.quarantined = counts.get(device.uid) ?? 0
  }

  async #loadDevices(deliveries: readonly Delivery[]): Promise<void> {
    this.devices.beginBatch()
    const missing = new Set<number>()
    for (const delivery of deliveries)
      forEachRecord(delivery, ({ deviceUid }) => {
        if (!this.devices.use(deviceUid)) missing.add(deviceUid)
      })
    if (missing.size > 0) await this.devices.load([...missing])
  }

  #processRecord(record: RecordCursor, version: number, batch: PendingBatch): void {
    batch.beginMessage()
    const device = this.devices.get(record.deviceUid)
    // Of a device that was deleted, nothing is kept.
    if (!device || device.tenant !== record.tenant) this.#count('deviceUnknown')
    else if (record.channel === channels.release) device.keys.release(record.key, batch.keys)
    else if (record.flags === 0 || !this.#wasSeen(device, record, batch))
      this.#tryMessage({ device, record, version }, batch)
  }

  /** No message, whatever it holds, keeps the others from being stored. */
  #tryMessage(message: Message, batch: PendingBatch): void {
    try {
      this.#processMessage(message, batch)
    } catch (error) {
      this.#options.onFailure(error)
      this.#refuse(message, batch, refusal('payloadShape', `it cannot be processed: ${error}`), null)
    }
  }

  #wasSeen({ keys }: DeviceState, record: RecordCursor, batch: PendingBatch): boolean {
    const { flags, key, receivedAt } = record
    if (flags & recordFlags.resetSession) keys.resetSession(key, batch.keys)
    if (!(flags & recordFlags.deduplicate) || keys.hold(key, receivedAt, batch.keys)) return false
    this.#options.metrics.duplicates++
    return true
  }

  #processMessage(message: Message, batch: PendingBatch): void {
    const { record } = message
    const readings = this.#readings
    readings.clear()
    const refused =
      record.channel === channels.telemetry
        ? decode(record, record.receivedAt, readings)
        : refusal('payloadShape', `this version does not know channel ${record.channel}`)
    if (refused) this.#refuse(message, batch, refused, null)
    else {
      for (const part of readings.refused) this.#refuse(message, batch, part, part.metric)
      this.#storeReadings(message, batch)
    }
  }

  #storeReadings(message: Message, batch: PendingBatch): void {
    const { length, timeMicros } = this.#readings
    const receivedAt = message.record.receivedAt
    // The values of one object share its time, which is checked once, and refused once.
    let checked = Number.NaN
    let isAccepted = true
    for (let at = 0; at < length; at++) {
      const time = timeMicros[at]!
      if (Number.isNaN(time)) this.#store(message, batch, at, receivedAt)
      else {
        if (time !== checked) isAccepted = this.#acceptsTime(message, batch, time)
        checked = time
        if (isAccepted) this.#store(message, batch, at, time)
      }
    }
  }

  #acceptsTime(message: Message, batch: PendingBatch, timeMicros: number): boolean {
    const { device, record } = message
    const refused = checkTime(timeMicros, record.receivedAt, device.rules.window)
    if (refused) this.#refuse(message, batch, refused, null)
    return refused === undefined
  }

  #store(message: Message, batch: PendingBatch, at: number, timeMicros: number): void {
    const { device } = message
    const name = this.#readings.metric[at]!
    const given = this.#readings.value[at]
    const metric = device.metrics.get(name) ?? this.#addMetric(message, batch, name, given)
    if (!metric) return
    const value = metric.refused ?? storable(given, metric.rule)
    if (typeof value === 'object') this.#refuse(message, batch, value, name)
    else this.#keep(message, batch, metric, timeMicros, value)
  }

  #keep(
    { device, version }: Message,
    batch: PendingBatch,
    metric: MetricState,
    timeMicros: number,
    value: number | string,
  ): void {
    const { rate } = metric
    const judged = rate && typeof value === 'number' ? rate.judge(value, timeMicros) : quality.good
    if (judged !== quality.good) this.#options.metrics.suspect++
    batch.add(metric, timeMicros, value, judged, version, this.#readings.mayRepeat)
    if (this.#options.live.wants(device.uid)) {
      batch.live ??= new LiveBatch()
      batch.live.addPoint({ device, metric, timeMicros, value, quality: judged })
    }
  }

  /** A series begins with its first good value. */
  #addMetric(message: Message, batch: PendingBatch, name: string, value: unknown): MetricState | undefined {
    const { device } = message
    const badName = checkMetricName(name)
    const type = device.rules.metrics.get(name)?.type ?? typeOfValue(value)
    const refused = badName ?? refusedFirst(device, name, value, type)
    if (refused || !type) {
      this.#refuse(message, batch, refused!, badName ? null : name)
      return undefined
    }
    const metric = new MetricState(name, this.#ids.take(), type, device.rules)
    device.metrics.set(name, metric)
    batch.newSeries.push(seriesOf(device, metric, this.#readings.units.get(name)))
    return metric
  }

  #refuse(message: Message, batch: PendingBatch, refused: Refusal, metric: string | null): void {
    const { device, record } = message
    this.#count(refused.reason)
    if (!batch.refuse(message, refused, metric)) {
      this.#options.metrics.quarantineDropped++
      this.#recountLater(device, record.receivedAt)
    }
    if (this.#options.live.wants(device.uid)) {
      batch.live ??= new LiveBatch()
      batch.live.addRefusal(device, refused.reason, metric)
    }
  }

  #recountLater(device: DeviceState, nowMicros: number): void {
    if (nowMicros < device.quarantineCountedAt + recountMicros) return
    device.quarantineCountedAt = nowMicros
    this.#toRecount.add(device)
  }

  #count(reason: QuarantineReason): void {
    const { quarantined } = this.#options.metrics
    quarantined[reason] = (quarantined[reason] ?? 0) + 1
  }
}

/** Throws `corruptData` when the delivery is not what a gateway made, before anything of it was processed. */
function forEachRecord({ bytes, firstPosition }: Delivery, visit: (record: RecordCursor) => void): void {
  try {
    const record = new RecordCursor(bytes)
    while (record.next()) visit(record)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    const reason = `the batch at position ${firstPosition}: ${error.message}`
    throw new DroverError('corruptData', { what: 'The queue', reason }, error)
  }
}

const tooManyMetrics = refusal(
  'metricLimit',
  `the device has ${limits.metricsPerDeviceMax} metrics already, the most it may have`,
)

/** Why the first value of a metric does not begin a series. */
function refusedFirst(
  { rules, metrics }: DeviceState,
  name: string,
  value: unknown,
  type: ValueType | undefined,
): Refusal | undefined {
  const listed = rules.metrics.get(name)
  if (!listed && !rules.acceptsUnknown) return unknownMetric(rules)
  if (!type) return refusal('typeMismatch', `${value} is no value that can be stored`)
  const stored = storable(value, listed ?? unlimited(type))
  if (typeof stored === 'object') return stored
  return metrics.size < limits.metricsPerDeviceMax ? undefined : tooManyMetrics
}

const unitCharactersMax = 32

function seriesOf(
  { tenant, uid, rules }: DeviceState,
  metric: MetricState,
  unit: string | undefined,
): Series {
  const { name, seriesId, type } = metric
  return {
    id: seriesId,
    tenant,
    deviceUid: uid,
    metric: name,
    type,
    unit: rules.metrics.get(name)?.unit ?? unit?.slice(0, unitCharactersMax) ?? null,
  }
}
