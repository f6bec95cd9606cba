/**
 * A batch: the bytes in which records travel from the gateway through the queue to processing. One batch is what
 * one turn of a gateway's loop read; it is written, handed on and read as it is, without a copy.
 *
 * Little endian. Header of 40 bytes: u32 magic, u32 count, u32 bootIdLow, u32 bootIdHigh, f64 first message counter,
 * f64 receivedAt of the first record in µs since 1970, u32 bytes used, u32 stamped. Then the records, each: u32 length of
 * the whole record, u32 tenant, u32 device uid, u8 channel, u8 content type, u8 flags, u8 0, u16 key length, u16 0,
 * the key, the payload.
 *
 * Record i of a batch has the message id (boot id, first counter + i), was received at receivedAt + i µs, and has the
 * queue position (first position of the batch) + i.
 *
 * `stamped` is 1 in a batch that was put together anew from records of several (`packRecords`): each of its records ends with
 * f64 receivedAt, and has no message id.
 */
const magic = 0x31425244
export const headerBytes = 40
export const recordHeaderBytes = 20
const stampBytes = 8
/** Buffers of sealed batches that a writer keeps for the next ones. */
const sparesMax = 4

export const channels = {
  telemetry: 1,
  /** The sender has released the packet id in `key` (MQTT PUBREL): it may be used for a new message. */
  release: 2,
} as const

export const contentTypes = {
  /** To be found out from the payload. */
  unknown: 0,
  json: 1,
  senmlJson: 2,
  senmlCbor: 3,
  cbor: 4,
} as const
export type ContentType = (typeof contentTypes)[keyof typeof contentTypes]

export const recordFlags = {
  /** A record with this key that was seen before and not released is the same message, and is dropped. */
  deduplicate: 1,
  /** First of a new session: the keys that the session named by the key's prefix held so far are forgotten. */
  resetSession: 2,
} as const

/**
 * Microseconds since 1970, strictly increasing over all threads that share the buffer, so that no two records of one
 * process have the same receipt time, whatever the clock does.
 */
export class ReceiptClock {
  readonly #last: BigInt64Array
  readonly #now: () => number

  /** `shared`: 8 bytes; `nowMicros`: the wall clock. */
  constructor(shared: SharedArrayBuffer, nowMicros: () => number) {
    this.#last = new BigInt64Array(shared)
    this.#now = nowMicros
  }

  /** The first of `count` successive times that nobody else gets. */
  reserve(count: number): number {
    for (;;) {
      const last = Atomics.load(this.#last, 0)
      const first = Math.max(this.#now(), Number(last) + 1)
      if (Atomics.compareExchange(this.#last, 0, last, BigInt(first + count - 1)) === last) return first
    }
  }

  /** Never gives a time at or before `micros` from now on (the last one of an earlier run, read from the queue). */
  startAfter(micros: number): void {
    for (;;) {
      const last = Atomics.load(this.#last, 0)
      if (Number(last) >= micros) return
      if (Atomics.compareExchange(this.#last, 0, last, BigInt(micros)) === last) return
    }
  }
}

export interface SealedBatch {
  /** The batch; its buffer belongs to whoever holds the batch and may be transferred. */
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly count: number
}

/** Bytes for a batch that is made after small ones. */
const smallestBufferBytes = 4096
const noBytes = Buffer.allocUnsafeSlow(0)
const noView = new DataView(noBytes.buffer)

/**
 * Collects records into a batch. One a gateway; not shared. A buffer is taken with a batch's first record, as large as recent
 * batches needed, so that an idle gateway holds none and a quiet one no large one.
 */
export class BatchWriter {
  readonly #bootIdLow: number
  readonly #bootIdHigh: number
  readonly #clock: ReceiptClock
  readonly #spare: ArrayBuffer[] = []
  #counter = 0
  #bytes: Buffer<ArrayBuffer> = noBytes
  /** The size of the largest recent batch; forgotten by an eighth a batch. */
  #recentBytes: number
  #view = noView
  #used = headerBytes
  #count = 0

  constructor(bootId: Uint8Array, clock: ReceiptClock, initialBytes = smallestBufferBytes) {
    const id = Buffer.from(bootId.buffer, bootId.byteOffset, 8)
    this.#bootIdLow = id.readUInt32LE(0)
    this.#bootIdHigh = id.readUInt32LE(4)
    this.#clock = clock
    this.#recentBytes = Math.max(initialBytes, headerBytes)
  }

  get count(): number {
    return this.#count
  }

  get bytesUsed(): number {
    return this.#used
  }

  /** Adds one record; returns its index in the batch. The payload is copied. */
  add(
    tenant: number,
    deviceUid: number,
    channel: number,
    contentType: number,
    flags: number,
    key: string,
    payload: Uint8Array,
  ): number {
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
    return this.addSlice(tenant, deviceUid, channel, contentType, flags, key, bytes, 0, bytes.length)
  }

  /** As `add`, with the payload at `start` to `end` of `source`, so that a gateway makes no view of it. */
  addSlice(
    tenant: number,
    deviceUid: number,
    channel: number,
    contentType: number,
    flags: number,
    key: string,
    source: Buffer,
    start: number,
    end: number,
  ): number {
    const keyBytes = key.length === 0 ? 0 : Buffer.byteLength(key)
    const length = recordHeaderBytes + keyBytes + end - start
    const at = this.#used
    if (at + length > this.#bytes.length) this.#grow(at + length)
    // A DataView writes a number in 2 ns here, Buffer.writeUInt32LE in 10.
    const view = this.#view
    view.setUint32(at, length, true)
    view.setUint32(at + 4, tenant, true)
    view.setUint32(at + 8, deviceUid, true)
    view.setUint32(at + 12, channel | (contentType << 8) | (flags << 16), true)
    view.setUint32(at + 16, keyBytes, true)
    if (keyBytes > 0) this.#bytes.write(key, at + recordHeaderBytes, 'utf8')
    source.copy(this.#bytes, at + recordHeaderBytes + keyBytes, start, end)
    this.#used = at + length
    return this.#count++
  }

  /** Stamps and gives away what was collected, and starts anew. The caller has added at least one record. */
  seal(): SealedBatch {
    const view = this.#view
    const count = this.#count
    view.setUint32(0, magic, true)
    view.setUint32(4, count, true)
    view.setUint32(8, this.#bootIdLow, true)
    view.setUint32(12, this.#bootIdHigh, true)
    view.setFloat64(16, this.#counter, true)
    view.setFloat64(24, this.#clock.reserve(count), true)
    view.setUint32(32, this.#used, true)
    view.setUint32(36, 0, true)
    const sealed = { bytes: new Uint8Array(this.#bytes.buffer, 0, this.#used), count }
    this.#counter += count
    this.#recentBytes = Math.max(
      this.#used,
      this.#recentBytes - (this.#recentBytes >>> 3),
      smallestBufferBytes,
    )
    this.#use(noBytes)
    this.#used = headerBytes
    this.#count = 0
    return sealed
  }

  /** Gives the buffer of a sealed batch back that nobody holds any more, so that the next batch needs no new one. */
  reuse(batch: SealedBatch): void {
    const { buffer } = batch.bytes
    // One that was transferred has no bytes left; one that is too large for what comes now is let go.
    const fits = buffer.byteLength >= smallestBufferBytes && buffer.byteLength <= 4 * this.#recentBytes
    if (fits && this.#spare.length < sparesMax) this.#spare.push(buffer)
  }

  #use(bytes: Buffer<ArrayBuffer>): void {
    this.#bytes = bytes
    this.#view = bytes === noBytes ? noView : new DataView(bytes.buffer)
  }

  #grow(needed: number): void {
    const spare = this.#bytes === noBytes ? this.#spare.pop() : undefined
    // Not filled with zeros, and not part of Node's pool, so that it can be transferred.
    const bytes =
      spare && spare.byteLength >= needed
        ? Buffer.from(spare)
        : Buffer.allocUnsafeSlow(Math.max(needed, this.#recentBytes, this.#bytes.length * 2))
    this.#bytes.copy(bytes, 0, 0, this.#used)
    this.#use(bytes)
  }
}

/** Walks over the records of a batch without allocating: `next()` moves on, the fields tell of the current record. */
export class RecordCursor {
  readonly bytes: Buffer
  readonly count: number
  readonly bootId: string
  readonly #firstCounter: number
  readonly #firstReceivedAt: number
  readonly #stampBytes: number
  /** Where the next record starts, and where the last one ends. */
  #next = headerBytes
  readonly #end: number
  index = -1
  tenant = 0
  deviceUid = 0
  channel = 0
  contentType: ContentType = 0
  flags = 0
  keyStart = 0
  payloadStart = 0
  payloadEnd = 0

  /** Throws a RangeError when the bytes are not a batch. */
  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (bytes.length < headerBytes || this.bytes.readUInt32LE(0) !== magic) throw notABatch()
    this.count = this.bytes.readUInt32LE(4)
    this.#end = this.bytes.readUInt32LE(32)
    if (this.#end > bytes.length || headerBytes + this.count * recordHeaderBytes > this.#end)
      throw notABatch()
    this.bootId = this.bytes.toString('hex', 8, 16)
    this.#firstCounter = this.bytes.readDoubleLE(16)
    this.#firstReceivedAt = this.bytes.readDoubleLE(24)
    this.#stampBytes = this.bytes.readUInt32LE(36) === 1 ? stampBytes : 0
    if (!Number.isSafeInteger(this.#firstCounter) || !Number.isSafeInteger(this.#firstReceivedAt))
      throw notABatch()
  }

  /** µs since 1970. */
  get receivedAt(): number {
    return this.#stampBytes > 0
      ? this.bytes.readDoubleLE(this.payloadEnd)
      : this.#firstReceivedAt + this.index
  }

  get messageCounter(): number {
    return this.#firstCounter + this.index
  }

  get key(): string {
    return this.bytes.toString('utf8', this.keyStart, this.payloadStart)
  }

  get payload(): Buffer {
    return this.bytes.subarray(this.payloadStart, this.payloadEnd)
  }

  /** Moves on to the next record, if there is one. Throws a RangeError when the bytes are not one. */
  next(): boolean {
    if (this.index + 1 >= this.count) return false
    const { bytes } = this
    const start = this.#next
    if (start + recordHeaderBytes > this.#end) throw notABatch()
    const end = start + bytes.readUInt32LE(start)
    const payloadStart = start + recordHeaderBytes + bytes.readUInt16LE(start + 16)
    const payloadEnd = end - this.#stampBytes
    if (payloadStart > payloadEnd || end > this.#end) throw notABatch()
    this.index++
    this.tenant = bytes.readUInt32LE(start + 4)
    this.deviceUid = bytes.readUInt32LE(start + 8)
    this.channel = bytes[start + 12]!
    this.contentType = bytes[start + 13] as ContentType
    this.flags = bytes[start + 14]!
    this.keyStart = start + recordHeaderBytes
    this.payloadStart = payloadStart
    this.payloadEnd = payloadEnd
    this.#next = end
    return true
  }
}

/** A record on its own, with the time at which it was received in µs since 1970. */
export interface StampedRecord {
  readonly tenant: number
  readonly deviceUid: number
  readonly channel: number
  readonly contentType: number
  readonly flags: number
  readonly key: string
  readonly receivedAt: number
  readonly payload: Uint8Array
}

/** Bytes that the record takes in a batch of `packRecords`. */
export function packedBytes({ key, payload }: StampedRecord): number {
  return recordHeaderBytes + Buffer.byteLength(key) + payload.length + stampBytes
}

/** The stamped batch of these records, at least one, for drivers that keep records one by one. */
export function packRecords(records: readonly StampedRecord[]): Uint8Array<ArrayBuffer> {
  const used = records.reduce((sum, record) => sum + packedBytes(record), headerBytes)
  const bytes = Buffer.allocUnsafeSlow(used)
  bytes.fill(0, 0, headerBytes)
  bytes.writeUInt32LE(magic, 0)
  bytes.writeUInt32LE(records.length, 4)
  bytes.writeDoubleLE(records[0]!.receivedAt, 24)
  bytes.writeUInt32LE(used, 32)
  bytes.writeUInt32LE(1, 36)
  let at = headerBytes
  for (const record of records) {
    const length = packedBytes(record)
    const keyBytes = bytes.write(record.key, at + recordHeaderBytes, 'utf8')
    bytes.writeUInt32LE(length, at)
    bytes.writeUInt32LE(record.tenant, at + 4)
    bytes.writeUInt32LE(record.deviceUid, at + 8)
    bytes.writeUInt32LE(record.channel | (record.contentType << 8) | (record.flags << 16), at + 12)
    bytes.writeUInt32LE(keyBytes, at + 16)
    bytes.set(record.payload, at + recordHeaderBytes + keyBytes)
    bytes.writeDoubleLE(record.receivedAt, at + length - stampBytes)
    at += length
  }
  return new Uint8Array(bytes.buffer)
}

function notABatch(): RangeError {
  return new RangeError('These bytes are not a batch of records')
}

/** µs since 1970 at which the last record of the batch was received. */
export function lastReceivedAt(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return view.getFloat64(24, true) + view.getUint32(4, true) - 1
}
