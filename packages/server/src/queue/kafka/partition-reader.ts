import { IS_CONTROL, type RecordsBatch } from '@platformatic/kafka'
import { packedBytes, packRecords, type StampedRecord } from '../batch.ts'
import type { Delivery } from '../queue.ts'
import { fromRecord } from './record.ts'

/** Writers whose last record is remembered, a partition. */
const writersMax = 10_000

/** Where one partition is read, and what makes deliveries of it. Position n is the record at offset n - 1. */
export class PartitionReader {
  readonly partition: number
  readonly #identity: string
  readonly #deliveryBytesMax: number
  /** The last record's number by the boot id of its writer, the latest writer last. */
  readonly #written = new Map<string, number>()
  /** Records of others that were passed over. */
  foreign = 0
  nextOffset: number

  constructor(partition: number, identity: string, nextOffset: number, deliveryBytesMax: number) {
    this.partition = partition
    this.#identity = identity
    this.nextOffset = nextOffset
    this.#deliveryBytesMax = deliveryBytesMax
  }

  /** What was fetched from `nextOffset` on, which moves to behind it. */
  take(batches: readonly RecordsBatch[]): Delivery[] {
    const deliveries: Delivery[] = []
    let run: StampedRecord[] = []
    let bytes = 0
    let first = 0
    const flush = () => {
      if (run.length > 0) deliveries.push(this.#deliver(first + 1, run))
      run = []
      bytes = 0
    }
    for (const batch of batches) {
      const base = Number(batch.firstOffset)
      // Markers of somebody's transactions are in the topic, but not for its readers.
      const records = (batch.attributes & IS_CONTROL) === 0 ? batch.records : []
      for (const each of records) {
        const offset = base + each.offsetDelta
        // A broker gives whole batches, also when the first wanted record is inside.
        if (offset < this.nextOffset) continue
        const record = this.#new(fromRecord(each))
        if (!record) continue
        const size = packedBytes(record)
        if (offset !== first + run.length || bytes + size > this.#deliveryBytesMax) flush()
        if (run.length === 0) first = offset
        run.push(record)
        bytes += size
      }
      this.nextOffset = Math.max(this.nextOffset, base + batch.lastOffsetDelta + 1)
    }
    flush()
    return deliveries
  }

  /**
   * The record, unless it was there before: a request whose answer was lost is sent again, with whatever stood in it. One
   * writer's records have rising numbers, in each partition too.
   */
  #new(read: ReturnType<typeof fromRecord>): StampedRecord | undefined {
    if (!read) {
      this.foreign++
      return undefined
    }
    const { bootId, counter, record } = read
    const last = this.#written.get(bootId)
    if (last !== undefined && counter <= last) return undefined
    if (last !== undefined) this.#written.delete(bootId)
    else if (this.#written.size >= writersMax) this.#written.delete(this.#written.keys().next().value!)
    this.#written.set(bootId, counter)
    return record
  }

  #deliver(firstPosition: number, records: readonly StampedRecord[]): Delivery {
    const bytes = packRecords(records)
    const { partition } = this
    return { partition, identity: this.#identity, firstPosition, count: records.length, bytes }
  }
}
