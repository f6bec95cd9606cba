import type { QuarantineReason } from '@drover/protocol'

/** Upper bounds of the buckets of the time from receipt to stored, in ms; a last bucket holds what took longer. */
export const storedBoundsMs = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 60_000] as const

/** What processing counted since its start; plain numbers, so that they cross threads. */
export interface ProcessingMetrics {
  messages: number
  /** Points stored, and how many of them are suspect. */
  points: number
  suspect: number
  /** Bad values and messages by reason, kept or not. */
  quarantined: Partial<Record<QuarantineReason, number>>
  /** Of them, those that were only counted, as the device's quarantine was full. */
  quarantineDropped: number
  /** Messages that were seen before by their key. */
  duplicates: number
  /** Transactions of the store, and the messages of the last one. */
  batches: number
  lastBatchMessages: number
  /** Attempts at the store or the registry that failed and were repeated. */
  retries: number
  /** Times that it started again, since another processor had taken over or the queue was away. */
  restarts: number
  /** The last position that is stored, by partition. The lag is what the queue has beyond it. */
  positions: Record<number, number>
  /** Messages by bucket of the time from their receipt until they were stored (not cumulative), and the sum of the times. */
  storedAfter: { readonly counts: number[]; sumMs: number }
  /** Devices whose state is kept in memory. */
  devices: number
}

export function emptyMetrics(): ProcessingMetrics {
  return {
    messages: 0,
    points: 0,
    suspect: 0,
    quarantined: {},
    quarantineDropped: 0,
    duplicates: 0,
    batches: 0,
    lastBatchMessages: 0,
    retries: 0,
    restarts: 0,
    positions: {},
    storedAfter: { counts: [...storedBoundsMs.map(() => 0), 0], sumMs: 0 },
    devices: 0,
  }
}

export function observeStored(metrics: ProcessingMetrics, afterMs: number, messages: number): void {
  const { storedAfter } = metrics
  const found = storedBoundsMs.findIndex((bound) => afterMs <= bound)
  const bucket = found === -1 ? storedBoundsMs.length : found
  storedAfter.counts[bucket] = storedAfter.counts[bucket]! + messages
  storedAfter.sumMs += afterMs * messages
}
