import { createHash, randomUUID } from 'node:crypto'
import { DroverError } from '@drover/protocol'
import { type Blobs, isBlobAddress } from './blobs.ts'
import { S3Bucket } from './s3-bucket.ts'
import { s3Place } from './s3-place.ts'
import { S3Upload } from './s3-upload.ts'

export interface S3BlobsOptions {
  /**
   * `s3://bucket/prefix?endpoint=https://…&region=…&pathStyle=true`. Key and secret come from the environment, or from
   * where else Amazon's client finds them.
   */
  readonly url: string
  readonly nowMs: () => number
  /** A transfer in which nothing moves for so long is given up; also when who reads a blob does not go on. */
  readonly idleTimeoutMs?: number
}

const idleTimeoutMsDefault = 120_000

/** S3 copies no larger object in one step. */
const objectBytesMax = 5 * 1024 ** 3
/** An upload that is older was left by a process that is gone. */
const unfinishedAgeMs = 24 * 3_600_000

/**
 * Blobs in a bucket of S3, or of what speaks like it: `prefix/ab/abcdef…`; what is on its way is below `prefix/tmp/`.
 * Rejects with `badConfiguration` when the bucket cannot be used, `blobsUnavailable` when nobody answers.
 */
export async function openS3Blobs({
  url,
  nowMs,
  idleTimeoutMs = idleTimeoutMsDefault,
}: S3BlobsOptions): Promise<Blobs & { close(): void }> {
  const place = s3Place(url)
  const bucket = new S3Bucket(place, idleTimeoutMs)
  const temporary = `${place.prefix}tmp/`
  const keyOf = (address: string) => `${place.prefix}${address.slice(0, 2)}/${address}`
  try {
    await bucket.check()
    await removeUnfinished(bucket, temporary, new Date(nowMs() - unfinishedAgeMs))
  } catch (error) {
    bucket.close()
    throw error
  }
  return {
    async info(address) {
      const bytes = isBlobAddress(address) ? await bucket.size(keyOf(address)) : undefined
      return bytes === undefined ? undefined : { address, bytes }
    },
    async put(content, bytesMax) {
      const upload = new S3Upload(bucket, `${temporary}${randomUUID()}`)
      try {
        const { bytes, sha256 } = await send(content, upload, Math.min(bytesMax, objectBytesMax))
        const address = sha256.toString('hex')
        await upload.finish(keyOf(address), sha256)
        return { address, bytes }
      } catch (error) {
        // What cannot be removed now is when it is a day old.
        await upload.abort().catch(() => {})
        throw error
      }
    },
    async get(address, from = 0) {
      const content = isBlobAddress(address) ? await bucket.read(keyOf(address), from) : undefined
      if (!content) throw new DroverError('notFound', { kind: 'blob', id: address })
      return content
    },
    async delete(address) {
      if (isBlobAddress(address)) await bucket.delete(keyOf(address))
    },
    close: () => bucket.close(),
  }
}

async function send(content: AsyncIterable<Uint8Array>, upload: S3Upload, bytesMax: number) {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of content) {
    bytes += chunk.length
    if (bytes > bytesMax) throw new DroverError('payloadTooLarge', { limit: bytesMax })
    hash.update(chunk)
    await upload.write(chunk)
  }
  return { bytes, sha256: hash.digest() }
}

/** What a crash has left on its way. */
async function removeUnfinished(bucket: S3Bucket, prefix: string, before: Date): Promise<void> {
  for (const { key, uploadId } of await bucket.unfinished(prefix, before)) {
    if (uploadId === undefined) await bucket.delete(key)
    else await bucket.abortUpload(key, uploadId)
  }
}
