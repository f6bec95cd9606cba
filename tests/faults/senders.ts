import { setTimeout as sleep } from 'node:timers/promises'
import { type Bucket, limits, type Point } from '@drover/protocol'
import { type Client, eachPage } from '@drover/sdk/client'
import { connectAsync, type MqttClient, Store } from 'mqtt'
import { openPublisher, type Publisher } from '../support/publisher.ts'
import type { Random } from '../support/random.ts'

/** How a device reaches the server that is just running; null while there is none. */
export interface Place {
  current: { readonly mqtt: string; readonly http: string } | null
}

/** Sends numbers, each once as a message of its own, over a server that comes and goes, and knows which were acknowledged. */
export interface Sender {
  readonly device: string
  readonly sent: number
  readonly acknowledged: number
  /** Sends until `stop`; goes on by itself when the server is back. */
  start(): void
  /** Takes no new numbers; resolves when what has to arrive is acknowledged, which needs a server. */
  stop(): Promise<void>
  /** Compares what the server gives with what was sent. Throws on the first difference. */
  check(client: Client): Promise<void>
}

export interface SenderOptions {
  readonly device: string
  readonly token: string
  readonly place: Place
  /** Ends it at once, whatever is not acknowledged. */
  readonly signal: AbortSignal
}

const retryMs = 20

/** Each point of a metric over REST, in the order in which it comes. */
async function* pointsOf(client: Client, device: string, metric: string): AsyncGenerator<Point> {
  const load = (cursor?: string) =>
    client.devices.telemetry(device, { metric, limit: limits.pagePointsMax, from: 0, cursor })
  for await (const page of eachPage(load)) yield* page.points as Point[]
}

/** Each number from 0 to `count` is there once, but for those that may be missing, and nothing else. */
async function checkNumbers(
  client: Client,
  device: string,
  count: number,
  mayBeMissing: ReadonlySet<number> = new Set(),
): Promise<void> {
  const times = new Uint8Array(count)
  let before = ''
  for await (const { value, time } of pointsOf(client, device, 'n')) {
    if (typeof value !== 'number' || !(value >= 0 && value < count))
      throw new Error(`${device}: ${value} at ${time} was never sent`)
    if (times[value]!++ > 0) throw new Error(`${device}: ${value} is there twice, again at ${time}`)
    if (Date.parse(time) < Date.parse(before)) throw new Error(`${device}: ${time} comes after ${before}`)
    before = time
  }
  const missing = times.findIndex((found, number) => found === 0 && !mayBeMissing.has(number))
  if (missing >= 0) throw new Error(`${device}: ${missing} of ${count} was acknowledged and is not there`)
}

const startMs = Date.UTC(2026, 0, 1)
/** Numbers are sent in this order within a chunk: some late, some early. */
const chunkNumbers = 64
const window = 300
/** How often an acknowledged number is sent again after a reconnection. */
const repeats = 100

/**
 * QoS 1 with a time each. Number n belongs to the time `startMs + n` ms and has a value made from it, so that whatever is
 * read says what it has to be. A persistent one sends again what was not acknowledged, and some of what was; the
 * other never does, so that what was lost on the way stays lost.
 */
export class TimedSender implements Sender {
  readonly device: string
  readonly #options: SenderOptions & { readonly persistent: boolean; readonly random: Random }
  /** By number: 0 not sent, 1 sent, 2 acknowledged. */
  #states = new Uint8Array(1_000_000)
  #queue: number[] = []
  #next = 0
  #stopping = false
  #running: Promise<void> | undefined
  #publisher: Publisher | undefined
  acknowledged = 0

  constructor(options: SenderOptions & { readonly persistent: boolean; readonly random: Random }) {
    this.device = options.device
    this.#options = options
  }

  get sent(): number {
    return this.#next
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping = true
    this.#publisher?.wake()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!(this.#stopping && this.#isDone()) && !this.#options.signal.aborted) {
      await this.#session().catch(() => undefined)
      await sleep(retryMs)
    }
  }

  #isDone(): boolean {
    if (!this.#options.persistent) return true
    return this.acknowledged === this.#next
  }

  async #session(): Promise<void> {
    const { place, device, token, persistent, random } = this.#options
    if (!place.current) return
    if (persistent) this.#queue = this.#again(random)
    const numbers: number[] = []
    this.#publisher = await openPublisher({
      url: place.current.mqtt,
      device,
      token,
      window,
      next: (sequence) => {
        const number = this.#take(random)
        if (number !== undefined) numbers[sequence] = number
        return number === undefined ? undefined : payloadOf(number)
      },
      onAcknowledged: (sequence) => this.#acknowledge(numbers[sequence]!),
    })
    await this.#publisher.drained()
    await this.#publisher.end()
  }

  /** What was not acknowledged, and a few that were, in any order. */
  #again(random: Random): number[] {
    const numbers: number[] = []
    for (let number = 0; number < this.#next; number++) if (this.#states[number] !== 2) numbers.push(number)
    for (let count = 0; count < repeats && this.#next > 0; count++) numbers.push(random.integer(this.#next))
    return random.shuffle(numbers)
  }

  #take(random: Random): number | undefined {
    if (this.#queue.length === 0 && !this.#stopping) {
      const first = this.#next
      this.#next += chunkNumbers
      const chunk = Array.from({ length: chunkNumbers }, (_, index) => first + index)
      this.#queue = random.shuffle(chunk)
    }
    const number = this.#queue.pop()
    if (number === undefined) return undefined
    if (number >= this.#states.length) this.#grow()
    if (this.#states[number] === 0) this.#states[number] = 1
    return number
  }

  #grow(): void {
    const states = new Uint8Array(this.#states.length * 2)
    states.set(this.#states)
    this.#states = states
  }

  #acknowledge(number: number): void {
    if (this.#states[number] === 2) return
    this.#states[number] = 2
    this.acknowledged++
  }

  async check(client: Client): Promise<void> {
    const count = await this.#checkMetric(client, 'n', numberValueOf, () => true)
    await this.#checkMetric(client, 'text', textOf, hasText)
    const buckets = await client.devices.telemetry(this.device, {
      metric: 'n',
      from: startMs,
      to: startMs + this.#next,
      every: '10m',
      fn: ['count'],
    })
    const counted = (buckets.points as Bucket[]).reduce((sum, bucket) => sum + bucket.count!, 0)
    if (counted !== count)
      throw new Error(`${this.device}: fn=count says ${counted}, there are ${count} points`)
  }

  /** Answers how many points there are. */
  async #checkMetric(
    client: Client,
    metric: string,
    expected: (number: number) => unknown,
    has: (number: number) => boolean,
  ): Promise<number> {
    const at = (number: number) => `${this.device} ${metric} ${number}`
    let expectedNext = 0
    let count = 0
    const skip = (end: number) => {
      for (; expectedNext < end; expectedNext++)
        if (this.#states[expectedNext] === 2 && has(expectedNext))
          throw new Error(`${at(expectedNext)} was acknowledged and is not there`)
    }
    for await (const { time, value } of pointsOf(client, this.device, metric)) {
      const number = Date.parse(time) - startMs
      if (number < expectedNext) throw new Error(`${at(number)} is there twice`)
      skip(number)
      if (!(this.#states[number]! > 0 && has(number))) throw new Error(`${at(number)} was never sent`)
      if (value !== expected(number)) throw new Error(`${at(number)} is ${value}, not ${expected(number)}`)
      expectedNext = number + 1
      count++
    }
    skip(this.#next)
    return count
  }
}

const numberValueOf = (number: number) => ((number * 7919) % 100_003) / 8
const textOf = (number: number) => `v${number}`
const hasText = (number: number) => number % 10 === 0

function payloadOf(number: number): Buffer {
  const text = hasText(number) ? `,"text":"${textOf(number)}"` : ''
  return Buffer.from(`{"ts":${startMs + number},"values":{"n":${numberValueOf(number)}${text}}}`)
}

const inFlight = 30

/** QoS 2 without a time: the client keeps what it has not completed, and goes on with it in the same session. */
export class ExactlyOnceSender implements Sender {
  readonly device: string
  readonly #options: SenderOptions
  readonly #outgoingStore = new Store({ clean: false })
  readonly #waiting = new Set<Promise<unknown>>()
  /** What the library gave up when a connection closed; it may have arrived all the same. */
  readonly #givenUp = new Set<number>()
  #client: MqttClient | undefined
  #stopping = false
  #running: Promise<void> | undefined
  sent = 0
  acknowledged = 0

  constructor(options: SenderOptions) {
    this.device = options.device
    this.#options = options
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#running
    await Promise.all(this.#waiting)
    await this.#client?.endAsync()
  }

  async #run(): Promise<void> {
    const { device, token, place, signal } = this.#options
    this.#client = await connectAsync(place.current!.mqtt, {
      clientId: device,
      username: device,
      password: token,
      clean: false,
      protocolVersion: 4,
      reconnectPeriod: retryMs,
      outgoingStore: this.#outgoingStore,
    })
    this.#client.on('error', () => undefined)
    signal.addEventListener('abort', () => this.#client!.end(true))
    while (!this.#stopping && !signal.aborted) {
      if (this.#waiting.size < inFlight) this.#publish(this.#client, this.sent++)
      else await Promise.race(this.#waiting)
    }
  }

  #publish(client: MqttClient, number: number): void {
    const published = client
      .publishAsync('me/telemetry', `{"n":${number}}`, { qos: 2 })
      .then(() => this.acknowledged++)
      .catch(() => this.#givenUp.add(number))
      .finally(() => this.#waiting.delete(published))
    this.#waiting.add(published)
  }

  check(client: Client): Promise<void> {
    return checkNumbers(client, this.device, this.sent, this.#givenUp)
  }
}

/** HTTP without a time: sends the same again, with the same Idempotency-Key, until it is accepted. */
export class HttpSender implements Sender {
  readonly device: string
  readonly #options: SenderOptions
  #stopping = false
  #running: Promise<unknown> | undefined
  sent = 0
  acknowledged = 0

  constructor(options: SenderOptions) {
    this.device = options.device
    this.#options = options
  }

  start(): void {
    this.#running = Promise.all(Array.from({ length: 4 }, () => this.#run()))
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#options
    while (!this.#stopping && !signal.aborted) {
      const number = this.sent++
      while (!signal.aborted && !(await this.#send(number).catch(() => false))) await sleep(retryMs)
      this.acknowledged++
    }
  }

  async #send(number: number): Promise<boolean> {
    const { token, place } = this.#options
    if (!place.current) return false
    const response = await fetch(`${place.current.http}/api/v1/ingest/telemetry`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'idempotency-key': `number-${number}`,
      },
      body: `{"n":${number}}`,
    })
    await response.arrayBuffer()
    return response.status === 202
  }

  check(client: Client): Promise<void> {
    return checkNumbers(client, this.device, this.sent)
  }
}
