import type { SealedBatch } from './batch.ts'

/**
 * The queue between gateway and processing: keeps every acknowledged record until all its consumers have stored it.
 * A position is the number of a record in its partition: it rises by one a record and is never used twice. Records of one
 * device keep their order. Where there is one partition, batches keep their shape: records of one batch have successive positions.
 */
export interface Queue {
  /** What the driver can do; declared, not found out by failing. */
  readonly capabilities: QueueCapabilities
  /**
   * Answers when the batch is durable. The batch's buffer belongs to the queue from here on.
   * Rejects with `queueFull`, `queueUnavailable`, `diskReserveReached` or `shuttingDown`; then none of it was appended. Over a
   * network it may have been all the same, when only the answer was lost: the same batch appended again is then given once.
   */
  append(batch: SealedBatch): Promise<Appended>
  /** Starts to consume under a name that the queue remembers: retention keeps what this consumer has not committed. */
  consume(options: ConsumeOptions): Promise<Consumer>
  status(): Promise<QueueStatus>
  /** Answers what is in flight, refuses the rest with `shuttingDown`, and releases everything. */
  close(): Promise<void>
}

export interface QueueCapabilities {
  /**
   * Whether a consumer may start at a position that it stored itself. If not, the queue has no positions of its own: a partition's go on
   * from the stored one, and what was not committed is delivered again, under new positions and its old versions.
   */
  readonly startAtPosition: boolean
  /**
   * `many`: each record goes to the partition of its device, consumers of the same name share the partitions, and the
   * numbers of `status` are sums over them.
   */
  readonly partitions: 'one' | 'many'
  /**
   * `committed`: what all consumers have committed is dropped, and nothing else; past its limit the queue refuses.
   * `time`: the engine drops what is too old, whoever has consumed it.
   */
  readonly retention: 'committed' | 'time'
}

export interface Appended {
  readonly partition: number
  /** Position of the first record, in its partition; 0 where the queue gives positions only when it delivers. */
  readonly firstPosition: number
}

export interface ConsumeOptions {
  readonly consumer: string
  /**
   * The last position that the consumer has stored and the identity of the queue it belongs to, or undefined for the start.
   * A position inside a batch gives the whole batch again where batches keep their shape. Where there are many partitions, it is
   * asked for each at the start, and again when the partition is assigned to this consumer.
   * Rejects with `identityMismatch` when the identity is not this queue's, and with `corruptData` when the queue does not keep
   * what follows the position.
   */
  readonly after: (partition: number) => Promise<StoredPosition | undefined>
  /** Bytes of deliveries that one call of `next` may give, at least one delivery. */
  readonly nextBytesMax: number
  /**
   * These partitions go to another consumer, which starts at their stored positions once this has resolved: what was taken of
   * them should be stored, and what is known of their devices forgotten. `next` gives none of them any more.
   */
  readonly onLost?: (partitions: readonly number[]) => Promise<void>
}

export interface StoredPosition {
  readonly identity: string
  readonly position: number
}

export interface Delivery extends Appended {
  /** The random identity of the log that the positions belong to; stored with each position. */
  readonly identity: string
  readonly bytes: Uint8Array
  readonly count: number
  /**
   * The version of its first record, where it is not the position: a queue without positions of its own gives them when it delivers,
   * and other ones when it delivers again, but the version stays.
   */
  readonly firstVersion?: number
}

export interface Consumer {
  /** The next deliveries, of each partition in the order of its positions, without a gap; waits for the first; [] once closed. */
  next(): Promise<readonly Delivery[]>
  /** Everything up to and including `position` is stored: retention may pass it. */
  commit(partition: number, position: number): Promise<void>
  close(): Promise<void>
}

export interface QueueStatus {
  readonly identity: string
  /** The first position that is still kept, and the next one to be given. */
  readonly firstPosition: number
  readonly nextPosition: number
  readonly bytes: number
  readonly bytesMax: number
  /** Last committed position by consumer. */
  readonly committed: Readonly<Record<string, number>>
  /** µs since 1970 at which the last record was received that was ever appended; 0 before the first. */
  readonly lastReceivedAt: number
}
