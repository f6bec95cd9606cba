import { DroverError } from '@drover/protocol'
import { channels, type ReceiptClock, recordFlags } from '../queue/batch.ts'
import type { Queue } from '../queue/queue.ts'
import { Collector, type Receipts } from './collector.ts'
import type { DeviceIdentity } from './identity.ts'
import type { Ingest, IngestRecord } from './ingest.ts'

export interface IngestOptions {
  readonly queue: Pick<Queue, 'append'>
  readonly clock: ReceiptClock
  /** 8 bytes that no other writer of records uses. */
  readonly bootId: Uint8Array
}

interface Waiting {
  resolve(): void
  reject(error: Error): void
}

/** Requests that arrive in one turn of the loop share one append. A failed one is the sender's to repeat. */
export function createIngest(options: IngestOptions): Ingest {
  let waiting: Waiting[] = []
  const takeReceipts = (): Receipts => {
    const all = waiting
    waiting = []
    return {
      appended: () => {
        for (const { resolve } of all) resolve()
      },
      refused: (error) => {
        for (const { reject } of all) reject(error)
      },
    }
  }
  const collector = new Collector({ ...options, takeReceipts, retry: false })
  return {
    append(device, record) {
      if (collector.congested)
        return Promise.reject(
          new DroverError('queueUnavailable', { reason: 'too much waits for it already' }),
        )
      return new Promise((resolve, reject) => {
        waiting.push({ resolve, reject })
        addRecord(collector, device, record)
      })
    },
  }
}

function addRecord(collector: Collector, device: DeviceIdentity, record: IngestRecord): void {
  const { idempotencyKey, contentType, payload } = record
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
  const flags = idempotencyKey === undefined ? 0 : recordFlags.deduplicate
  const key = idempotencyKey === undefined ? '' : `h:${idempotencyKey}`
  const { tenant, deviceUid } = device
  collector.add(tenant, deviceUid, channels.telemetry, contentType, flags, key, bytes, 0, bytes.length)
}
