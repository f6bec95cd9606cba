import type { S3Bucket, UploadedPart } from './s3-bucket.ts'

/** All parts but the last have to be of one size, at least 5 MiB; there may be 10,000. */
const partBytes = 8 * 1024 ** 2

/**
 * Content on its way into a bucket, whose key is known only at the end. What is larger than one part goes to
 * `temporaryKey` until then, part by part as it comes.
 */
export class S3Upload {
  readonly #bucket: S3Bucket
  readonly #temporaryKey: string
  #rest: Uint8Array[] = []
  #restBytes = 0
  #uploadId: string | undefined
  readonly #parts: UploadedPart[] = []
  #isCompleted = false

  constructor(bucket: S3Bucket, temporaryKey: string) {
    this.#bucket = bucket
    this.#temporaryKey = temporaryKey
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#rest.push(chunk)
    this.#restBytes += chunk.length
    if (this.#restBytes <= partBytes) return
    const whole = Buffer.concat(this.#rest)
    let at = 0
    // The last byte always stays: the last part must not be empty.
    for (; whole.length - at > partBytes; at += partBytes)
      await this.#send(whole.subarray(at, at + partBytes))
    this.#rest = [whole.subarray(at)]
    this.#restBytes = whole.length - at
  }

  /** The content is there under `key` when this answers, and nowhere else. */
  async finish(key: string, sha256: Buffer): Promise<void> {
    const rest = Buffer.concat(this.#rest)
    if (this.#uploadId === undefined) return this.#bucket.put(key, rest, sha256)
    // The same content is there already.
    if ((await this.#bucket.size(key)) !== undefined) return this.abort()
    await this.#send(rest)
    await this.#bucket.completeUpload(this.#temporaryKey, this.#uploadId, this.#parts)
    this.#isCompleted = true
    await this.#bucket.copy(this.#temporaryKey, key)
    await this.#bucket.delete(this.#temporaryKey)
  }

  /** Removes what has arrived. */
  async abort(): Promise<void> {
    if (this.#uploadId === undefined) return
    if (this.#isCompleted) await this.#bucket.delete(this.#temporaryKey)
    else await this.#bucket.abortUpload(this.#temporaryKey, this.#uploadId)
  }

  async #send(part: Uint8Array): Promise<void> {
    this.#uploadId ??= await this.#bucket.startUpload(this.#temporaryKey)
    const number = this.#parts.length + 1
    this.#parts.push(await this.#bucket.uploadPart(this.#temporaryKey, this.#uploadId, number, part))
  }
}
