import { randomBytes } from 'node:crypto'
import { DroverError } from '@drover/protocol'
import { lastReceivedAt, type SealedBatch } from './batch.ts'
import type {
  Appended,
  ConsumeOptions,
  Consumer,
  Delivery,
  Queue,
  QueueStatus,
  StoredPosition,
} from './queue.ts'

export interface MemoryQueueOptions {
  /** Bytes of batches that are kept before `append` refuses with `queueFull`. */
  readonly bytesMax?: number
}

/** The queue as a specification, and the test double: all of it in memory, with a switch for failures. */
export interface MemoryQueue extends Queue {
  /** From now on appends reject with `queueUnavailable`, and none of them is kept. */
  fail(reason: string): void
  recover(): void
  /** The queue as it is after a restart; close this one first. */
  reopen(): MemoryQueue
}

export function createMemoryQueue(options: MemoryQueueOptions = {}): MemoryQueue {
  return open(new Kept(options.bytesMax ?? Number.POSITIVE_INFINITY))
}

/** What outlives a restart. */
class Kept {
  readonly identity = randomBytes(16).toString('hex')
  readonly bytesMax: number
  readonly committed = new Map<string, number>()
  readonly batches: Delivery[] = []
  nextPosition = 1
  bytes = 0
  lastReceivedAt = 0

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
  }

  get firstPosition(): number {
    return this.batches[0]?.firstPosition ?? this.nextPosition
  }

  append({ bytes, count }: SealedBatch): Appended {
    if (this.bytes + bytes.length > this.bytesMax)
      throw new DroverError('queueFull', { limit: this.bytesMax })
    const appended = { partition: 0, firstPosition: this.nextPosition }
    this.batches.push({ ...appended, identity: this.identity, bytes, count })
    this.nextPosition += count
    this.bytes += bytes.length
    this.lastReceivedAt = Math.max(this.lastReceivedAt, lastReceivedAt(bytes))
    return appended
  }

  /** Registers the consumer; answers the position after which it starts. */
  start(consumer: string, stored: StoredPosition | undefined): number {
    if (stored && stored.identity !== this.identity)
      throw new DroverError('identityMismatch', {
        store: consumer,
        expected: stored.identity,
        actual: this.identity,
      })
    const position = stored?.position ?? this.firstPosition - 1
    if (position + 1 < this.firstPosition || position >= this.nextPosition)
      throw new DroverError('corruptData', {
        what: 'The queue',
        reason: `${consumer} goes on after position ${position}, but the queue keeps ${this.firstPosition} to ${this.nextPosition - 1}`,
      })
    this.commit(consumer, position)
    return position
  }

  commit(consumer: string, position: number): void {
    this.committed.set(consumer, Math.max(position, this.committed.get(consumer) ?? 0))
    const slowest = Math.min(...this.committed.values())
    while (this.batches.length > 0 && endOf(this.batches[0]!) <= slowest)
      this.bytes -= this.batches.shift()!.bytes.length
  }
}

function endOf({ firstPosition, count }: Delivery): number {
  return firstPosition + count - 1
}

function open(kept: Kept): MemoryQueue {
  const waiting = new Set<() => void>()
  let failure: string | undefined
  let closed = false

  const wake = () => {
    for (const resolve of waiting) resolve()
    waiting.clear()
  }

  const consumer = (name: string, start: number, nextBytesMax: number): Consumer => {
    let after = start
    let ended = false
    const take = (): Delivery[] => {
      const taken: Delivery[] = []
      let bytes = 0
      for (const batch of kept.batches) {
        if (endOf(batch) <= after) continue
        bytes += batch.bytes.length
        if (taken.length > 0 && bytes > nextBytesMax) break
        taken.push({ ...batch, bytes: batch.bytes.slice() })
      }
      return taken
    }
    return {
      async next() {
        for (;;) {
          if (closed || ended) return []
          const taken = take()
          if (taken.length > 0) {
            after = endOf(taken.at(-1)!)
            return taken
          }
          await new Promise<void>((resolve) => waiting.add(resolve))
        }
      },
      async commit(_partition, position) {
        if (position > after) throw new RangeError(`Position ${position} was not delivered yet`)
        kept.commit(name, position)
      },
      async close() {
        ended = true
        wake()
      },
    }
  }

  return {
    capabilities: { startAtPosition: true, partitions: 'one', retention: 'committed' },
    async append(batch) {
      if (closed) throw new DroverError('shuttingDown')
      if (failure !== undefined) throw new DroverError('queueUnavailable', { reason: failure })
      const appended = kept.append(batch)
      wake()
      return appended
    },
    async consume({ consumer: name, after, nextBytesMax }: ConsumeOptions) {
      if (closed) throw new DroverError('shuttingDown')
      return consumer(name, kept.start(name, await after(0)), nextBytesMax)
    },
    async status(): Promise<QueueStatus> {
      return {
        identity: kept.identity,
        firstPosition: kept.firstPosition,
        nextPosition: kept.nextPosition,
        bytes: kept.bytes,
        bytesMax: kept.bytesMax,
        committed: Object.fromEntries(kept.committed),
        lastReceivedAt: kept.lastReceivedAt,
      }
    },
    async close() {
      closed = true
      wake()
    },
    fail(reason) {
      failure = reason
    },
    recover() {
      failure = undefined
    },
    reopen: () => open(kept),
  }
}
