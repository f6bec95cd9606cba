import { type Profile, type ProfileInput, profileInputSchema } from '@drover/protocol'
import { checkDefinition } from '../model/profile.ts'
import {
  BatchWriter,
  channels,
  contentTypes,
  ReceiptClock,
  recordFlags,
  type SealedBatch,
} from '../queue/batch.ts'
import { createMemoryQueue, type MemoryQueue } from '../queue/memory.ts'
import { createMemoryStore } from '../store/memory.ts'
import type { QuarantineStored, Store } from '../store/store.ts'
import { presentValue } from '../telemetry/values.ts'
import { LivePublisher, type LiveUpdate } from './live.ts'
import type { DeviceProfile, DeviceProfiles } from './profiles.ts'
import { consumerName, type Processing, startProcessing } from './run.ts'

/** µs since 1970 at which the first message of a test is received. */
export const startMicros = Date.UTC(2026, 10, 22, 12) * 1000

export interface TestMessage {
  readonly payload: Uint8Array | string | object
  readonly device?: number
  readonly tenant?: number
  readonly contentType?: number
  readonly channel?: number
  /** A message of QoS 2, or with an idempotency key. */
  readonly key?: string
  readonly resetSession?: boolean
  readonly release?: boolean
}

export function testProfile(input: Partial<ProfileInput> = {}): Profile {
  const { id, ...definition } = profileInputSchema.parse({ id: 'default', ...input })
  const at = '2026-01-01T00:00:00.000Z'
  return { id, ...checkDefinition(definition), createdAt: at, updatedAt: at }
}

/** Devices 1, 2, … of tenant 1 with the profile of the test; those of `gone` do not exist. */
export class TestRegistry implements DeviceProfiles {
  profile: Profile
  readonly gone = new Set<number>()
  readonly loads: (readonly number[])[] = []

  constructor(profile: Profile) {
    this.profile = profile
  }

  /** A change as the registry makes it: with a later time. */
  change(input: Partial<ProfileInput>): void {
    const updatedAt = new Date(Date.parse(this.profile.updatedAt) + 1).toISOString()
    this.profile = { ...testProfile(input), updatedAt }
  }

  async load(uids: readonly number[]): Promise<ReadonlyMap<number, DeviceProfile>> {
    this.loads.push(uids)
    const found = uids.filter((uid) => !this.gone.has(uid))
    return new Map(
      found.map((uid) => [
        uid,
        { tenant: 1, deviceUid: uid, deviceId: `device-${uid}`, profile: this.profile },
      ]),
    )
  }
}

/** Seals messages as a gateway does; the clock stands still but for one µs a message, and is moved by the test. */
export class TestSender {
  nowMicros = startMicros
  readonly #writer: BatchWriter

  constructor() {
    const clock = new ReceiptClock(new SharedArrayBuffer(8), () => this.nowMicros)
    this.#writer = new BatchWriter(new Uint8Array(8), clock)
  }

  batch(messages: readonly TestMessage[]): SealedBatch {
    for (const message of messages) this.#add(message)
    return this.#writer.seal()
  }

  #add(message: TestMessage): void {
    const { payload, device = 1, tenant = 1, key = '', release, resetSession } = message
    const channel = message.channel ?? (release ? channels.release : channels.telemetry)
    const held = key !== '' && !release ? recordFlags.deduplicate : 0
    const flags = held | (resetSession ? recordFlags.resetSession : 0)
    const contentType = message.contentType ?? contentTypes.unknown
    this.#writer.add(tenant, device, channel, contentType, flags, key, bytesOf(payload))
  }
}

export function bytesOf(payload: Uint8Array | string | object): Uint8Array {
  if (payload instanceof Uint8Array) return payload
  return Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload))
}

export interface BenchOptions {
  readonly profile?: Partial<ProfileInput>
  readonly store?: Store
  readonly queue?: MemoryQueue
  readonly devicesMax?: number
  readonly batchBytesMax?: number
}

/** The way from the queue to the store over the memory drivers, with what a test looks at. */
export class TestBench {
  readonly registry: TestRegistry
  readonly store: Store
  readonly queue: MemoryQueue
  readonly sender = new TestSender()
  readonly live: LiveUpdate[] = []
  readonly failures: unknown[] = []
  publisher = new LivePublisher({
    periodMs: 0,
    publish: async (update) => void this.live.push(update),
  })
  readonly #options: BenchOptions
  #processing: Processing | undefined

  constructor(options: BenchOptions = {}) {
    this.registry = new TestRegistry(testProfile(options.profile))
    this.store = options.store ?? createMemoryStore()
    this.queue = options.queue ?? createMemoryQueue()
    this.#options = options
  }

  static async open(options: BenchOptions = {}): Promise<TestBench> {
    const bench = new TestBench(options)
    await bench.start()
    return bench
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  get processing(): Processing {
    return this.#processing!
  }

  async start(): Promise<Processing> {
    this.#processing = await startProcessing({
      gatherMs: 0,
      queue: this.queue,
      writer: this.store.writer,
      profiles: this.registry,
      live: {
        wants: (uid) => this.publisher.wants(uid),
        stored: (batch) => this.publisher.stored(batch),
      },
      nowMicros: () => this.sender.nowMicros,
      onFailure: (error) => this.failures.push(error),
      devicesMax: this.#options.devicesMax,
      batchBytesMax: this.#options.batchBytesMax,
    })
    return this.#processing
  }

  publishTo(publisher: LivePublisher): void {
    this.publisher = publisher
  }

  async stop(): Promise<void> {
    await this.#processing?.close()
    this.#processing = undefined
    this.publisher.close()
  }

  /** Appends the messages as one batch, and resolves when they are stored. */
  async send(...messages: readonly TestMessage[]): Promise<void> {
    await this.queue.append(this.sender.batch(messages))
    await this.stored()
  }

  /** Resolves when all that was appended is stored; rejects when processing has ended before. */
  async stored(): Promise<void> {
    const { nextPosition } = await this.queue.status()
    const { done } = this.processing
    for (;;) {
      const stored = await this.store.writer.position(consumerName, 0)
      if ((stored?.position ?? 0) >= nextPosition - 1) return
      await Promise.race([done, new Promise((resolve) => setImmediate(resolve))])
    }
  }

  /** Everything that is stored of these devices: metric → [time, value, quality] in the order of time. */
  async contents(...devices: readonly number[]): Promise<Record<string, [number, unknown, number][]>> {
    const uids = devices.length > 0 ? devices : [1]
    const contents: Record<string, [number, unknown, number][]> = {}
    for (const series of await this.store.reader.series(uids)) {
      const isNumeric = series.type === 'number' || series.type === 'integer'
      const found = await this.store.reader.points({
        seriesIds: [series.id],
        kind: isNumeric ? 'numbers' : 'texts',
        fromMicros: 0,
        toMicros: Number.MAX_SAFE_INTEGER,
        goodOnly: false,
        limit: 1_000_000,
      })
      const values = isNumeric ? [...found.value] : found.text
      const name = uids.length > 1 ? `${series.deviceUid}/${series.metric}` : series.metric
      contents[name] = values.map((value, at) => [
        found.timeMicros[at]!,
        presentValue(series.type, value),
        found.quality[at]!,
      ])
    }
    return contents
  }

  quarantine(deviceUid?: number): Promise<readonly QuarantineStored[]> {
    return this.store.reader.quarantine({ tenant: 1, deviceUid, limit: 100_000 })
  }
}
