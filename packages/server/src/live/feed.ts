import { type Connection, DroverError, type LiveEvent, limits } from '@drover/protocol'
import type { DeviceIdentity } from '../gateway/identity.ts'
import type { Clock } from '../runtime/clock.ts'
import { type Interest, Interests } from './interests.ts'

/** Which events a listener wants; undefined stands for all. */
export interface LiveFilter {
  readonly tenant: number
  readonly deviceUids?: ReadonlySet<number>
  readonly types?: ReadonlySet<LiveEvent['type']>
}

/** An event of one device, as it is put into the feed. */
export interface DeviceEvent {
  readonly tenant: number
  readonly deviceUid: number
  readonly event: Exclude<LiveEvent, { type: 'gap' }>
}

export interface NumberedEvent {
  /** From which a feed can resume. */
  readonly cursor: string
  readonly event: LiveEvent
}

export interface Listener {
  /** Takes the event, or answers false: then the listener gets nothing more until it has called `resume`. */
  receive(event: NumberedEvent): boolean
  /** There will be nothing more; `stop` is still to be called. */
  end(): void
}

export interface Subscription {
  /** The listener is ready again; it gets a `gap` if something was left out. */
  resume(): void
  stop(): void
}

export interface LiveFeedOptions {
  readonly clock: Clock
  /** Tells this server from others; with the time of its opening it tells this feed from all others. */
  readonly boot: string
  /** Called when other events are wanted than before; what is not wanted need not be published. */
  readonly onInterest?: (interest: Interest) => void
}

const gap: LiveEvent = { type: 'gap' }

interface Kept extends DeviceEvent {
  readonly sequence: number
}

interface Subscriber {
  readonly filter: LiveFilter
  readonly listener: Listener
  paused: boolean
  missed: boolean
}

/**
 * What happens, as it happens, for whoever listens. Best effort: a bounded number of events is kept for those who come
 * back, and who is too slow or too late is told of the gap. Lives on one thread.
 */
export class LiveFeed {
  readonly #boot: string
  readonly #interests: Interests
  readonly #subscribers = new Set<Subscriber>()
  /** A ring: event `sequence` is at `sequence % liveEventsKept`. */
  readonly #kept: Kept[] = []
  #last = 0

  constructor({ clock, boot, onInterest }: LiveFeedOptions) {
    this.#boot = `${boot}.${clock.nowMicros().toString(36)}`
    this.#interests = new Interests(clock, onInterest)
  }

  get listeners(): number {
    return this.#subscribers.size
  }

  /** What anyone wants, or wanted a moment ago. */
  get interest(): Interest {
    return this.#interests.current
  }

  publish({ tenant, deviceUid, event }: DeviceEvent): void {
    if (!this.#interests.covers(deviceUid)) return
    const sequence = ++this.#last
    this.#kept[sequence % limits.liveEventsKept] = { tenant, deviceUid, event, sequence }
    const numbered = { cursor: this.#cursor(sequence), event }
    for (const subscriber of this.#subscribers)
      if (wants(subscriber.filter, tenant, deviceUid, event)) deliver(subscriber, numbered)
  }

  publishConnection(device: DeviceIdentity, connection: Connection): void {
    const { tenant, deviceUid, deviceId } = device
    this.publish({ tenant, deviceUid, event: { type: 'connection', device: deviceId, connection } })
  }

  /** Events were lost before they came here: every listener is told. */
  publishGap(): void {
    this.#interests.restart(this.#last)
    for (const subscriber of this.#subscribers) deliver(subscriber, this.#gap())
  }

  /**
   * Events from now on; with the cursor of an earlier feed also those since then, or a `gap` when they are not all
   * known any more. Throws `tooManyConnections`.
   */
  subscribe(filter: LiveFilter, listener: Listener, cursor?: string): Subscription {
    if (this.#subscribers.size >= limits.liveListenersMax)
      throw new DroverError('tooManyConnections', { limit: limits.liveListenersMax })
    const subscriber: Subscriber = { filter, listener, paused: false, missed: false }
    const since = cursor === undefined ? undefined : this.#sequenceOf(cursor)
    const known = since !== undefined && this.#knownSince(filter, since)
    const leave = this.#interests.join(filter.deviceUids, this.#last)
    this.#subscribers.add(subscriber)
    if (cursor !== undefined && !known) deliver(subscriber, this.#gap())
    if (known) this.#replay(subscriber, since)
    return {
      resume: () => this.#resume(subscriber),
      stop: () => {
        if (this.#subscribers.delete(subscriber)) leave()
      },
    }
  }

  /** Ends all listeners; they may come back. */
  endAll(): void {
    for (const { listener } of [...this.#subscribers]) listener.end()
  }

  close(): void {
    this.endAll()
    this.#subscribers.clear()
    this.#interests.close()
  }

  #resume(subscriber: Subscriber): void {
    subscriber.paused = false
    if (!subscriber.missed) return
    subscriber.missed = false
    deliver(subscriber, this.#gap())
  }

  #gap(): NumberedEvent {
    return { cursor: this.#cursor(this.#last), event: gap }
  }

  #cursor(sequence: number): string {
    return `${this.#boot}-${sequence}`
  }

  /** Undefined for a cursor of another run, or none at all. */
  #sequenceOf(cursor: string): number | undefined {
    const match = /^([0-9A-Za-z.]+)-(\d{1,15})$/.exec(cursor)
    const sequence = Number(match?.[2])
    return match?.[1] === this.#boot && sequence <= this.#last ? sequence : undefined
  }

  /** Whether every event for that filter since then was published and is still kept. */
  #knownSince({ deviceUids }: LiveFilter, sequence: number): boolean {
    return this.#last - sequence < limits.liveEventsKept && this.#interests.coveredSince(deviceUids, sequence)
  }

  #replay(subscriber: Subscriber, since: number): void {
    for (let sequence = since + 1; sequence <= this.#last; sequence++) {
      const { tenant, deviceUid, event } = this.#kept[sequence % limits.liveEventsKept]!
      if (wants(subscriber.filter, tenant, deviceUid, event))
        deliver(subscriber, { cursor: this.#cursor(sequence), event })
    }
  }
}

function wants(filter: LiveFilter, tenant: number, deviceUid: number, event: LiveEvent): boolean {
  if (filter.tenant !== tenant) return false
  return (filter.deviceUids?.has(deviceUid) ?? true) && (filter.types?.has(event.type) ?? true)
}

function deliver(subscriber: Subscriber, event: NumberedEvent): void {
  if (subscriber.paused) subscriber.missed = true
  else if (!subscriber.listener.receive(event)) subscriber.paused = true
}
