import type { DeviceIdentity } from './identity.ts'

export interface IngestRecord {
  readonly contentType: number
  readonly payload: Uint8Array
  /** HTTP `Idempotency-Key`: the same key of the same device is stored once. */
  readonly idempotencyKey: string | undefined
}

/** The way from a request (not an MQTT connection) into the queue. */
export interface Ingest {
  /** Answers when the record is durable. Rejects as `Queue.append` does. */
  append(device: DeviceIdentity, record: IngestRecord): Promise<void>
}
