/**
 * Immutable files (firmware images, exports), addressed by the SHA-256 of their content in lower-case hex. Putting the
 * same content twice keeps it once.
 */
export interface Blobs {
  /**
   * Stores what the stream gives; when it answers, the content is durable. Rejects with `payloadTooLarge` past
   * `bytesMax`, or with the stream's own error; then nothing is kept.
   */
  put(content: AsyncIterable<Uint8Array>, bytesMax: number): Promise<BlobInfo>
  /** The content from `from` (bytes, included) on. Rejects with `notFound`. */
  get(address: string, from?: number): Promise<AsyncIterable<Uint8Array>>
  /** Undefined if there is no such blob. */
  info(address: string): Promise<BlobInfo | undefined>
  /** Idempotent. */
  delete(address: string): Promise<void>
}

export interface BlobInfo {
  readonly address: string
  readonly bytes: number
}

/** Anything else names no blob, and must not become part of a path. */
export function isBlobAddress(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text)
}
