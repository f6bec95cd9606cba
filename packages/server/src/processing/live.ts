import { type LiveEvent, limits, type QuarantineReason } from '@drover/protocol'
import type { DeviceEvent } from '../live/feed.ts'
import type { Interest } from '../live/interests.ts'
import { formatTimeMicros } from '../model/time.ts'
import type { QualityCode } from '../store/points.ts'
import { presentValue, qualityName } from '../telemetry/values.ts'
import type { DeviceState } from './device.ts'
import type { MetricState } from './metric.ts'

/** What happened to watched devices, some of it left out when `gap` says so. */
export interface LiveUpdate {
  readonly events: readonly DeviceEvent[]
  readonly gap: boolean
}

interface LivePoint {
  readonly device: DeviceState
  readonly metric: MetricState
  readonly timeMicros: number
  readonly value: number | string
  readonly quality: QualityCode
}

interface LiveRefusal {
  readonly device: DeviceState
  readonly reason: QuarantineReason
  readonly metric: string | null
  count: number
}

/** The latest value of each series, and bad values by reason, since the last update was taken. Bounded. */
export class LiveBatch {
  readonly points = new Map<number, LivePoint>()
  readonly refusals = new Map<string, LiveRefusal>()
  gap = false

  get isEmpty(): boolean {
    return this.points.size === 0 && this.refusals.size === 0 && !this.gap
  }

  /** Once something was left out, who listens has to read the store, so that the rest is not worth the time. */
  addPoint(point: LivePoint): void {
    if (this.gap) return
    const { seriesId } = point.metric
    const earlier = this.points.get(seriesId)
    if (earlier && earlier.timeMicros > point.timeMicros) return
    if (!earlier && this.points.size >= limits.liveEventsKept) this.gap = true
    else this.points.set(seriesId, point)
  }

  addRefusal(device: DeviceState, reason: QuarantineReason, metric: string | null, count = 1): void {
    const key = `${device.uid}/${reason}/${metric ?? ''}`
    const earlier = this.refusals.get(key)
    if (earlier) earlier.count += count
    else if (this.refusals.size >= limits.liveEventsKept) this.gap = true
    else this.refusals.set(key, { device, reason, metric, count })
  }

  merge(later: LiveBatch): void {
    for (const point of later.points.values()) this.addPoint(point)
    for (const { device, reason, metric, count } of later.refusals.values())
      this.addRefusal(device, reason, metric, count)
    if (later.gap) this.gap = true
  }

  toUpdate(): LiveUpdate {
    return { events: [...this.#pointEvents(), ...this.#refusalEvents()], gap: this.gap }
  }

  #pointEvents(): DeviceEvent[] {
    return [...Map.groupBy(this.points.values(), ({ device }) => device)].map(([device, points]) =>
      eventOf(device, { type: 'points', device: device.id, points: points.map(presentPoint) }),
    )
  }

  #refusalEvents(): DeviceEvent[] {
    return [...this.refusals.values()].map(({ device, reason, metric, count }) =>
      eventOf(device, { type: 'quarantine', device: device.id, reason, metric, count }),
    )
  }
}

function eventOf({ tenant, uid }: DeviceState, event: Exclude<LiveEvent, { type: 'gap' }>): DeviceEvent {
  return { tenant, deviceUid: uid, event }
}

function presentPoint({ metric, timeMicros, value, quality }: LivePoint) {
  return {
    metric: metric.name,
    time: formatTimeMicros(timeMicros),
    value: presentValue(metric.type, value),
    quality: qualityName(quality),
  }
}

export interface LivePublisherOptions {
  /** Takes one update; the next one comes after it is done. */
  readonly publish: (update: LiveUpdate) => Promise<void>
  readonly periodMs: number
}

/** After an update, this many times as long as it took passes before the next: storing keeps nine tenths of the thread. */
const restPerWork = 9

/**
 * Passes what was stored on to whoever watches: at most once a period, and only when the last update was taken. Meanwhile a
 * later value of a series takes the place of the earlier one, so that storing never waits for a listener.
 */
export class LivePublisher {
  readonly #options: LivePublisherOptions
  #watched: Interest = new Set()
  #pending = new LiveBatch()
  #timer: NodeJS.Timeout | undefined
  #isPublishing = false

  constructor(options: LivePublisherOptions) {
    this.#options = options
  }

  watch(devices: Interest): void {
    this.#watched = devices
  }

  /** Whether anything of the device is wanted. */
  wants(deviceUid: number): boolean {
    return this.#watched === 'all' || (this.#watched.size > 0 && this.#watched.has(deviceUid))
  }

  /** What was collected is stored. */
  stored(batch: LiveBatch): void {
    this.#pending.merge(batch)
    this.#schedule()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #schedule(delayMs = this.#options.periodMs): void {
    if (this.#timer || this.#isPublishing || this.#pending.isEmpty) return
    this.#timer = setTimeout(() => this.#publish(), delayMs)
  }

  async #publish(): Promise<void> {
    this.#timer = undefined
    const startedAt = performance.now()
    const update = this.#pending.toUpdate()
    this.#pending = new LiveBatch()
    this.#isPublishing = true
    const taken = this.#options.publish(update)
    const spentMs = performance.now() - startedAt
    await taken
    this.#isPublishing = false
    this.#schedule(Math.max(this.#options.periodMs, spentMs * restPerWork))
  }
}
