import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  type CompletedPart as UploadedPart,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { DroverError } from '@drover/protocol'
import type { S3Place } from './s3-place.ts'

const connectTimeoutMs = 5_000
/** One part of an upload, or the beginning of an answer. */
const requestTimeoutMs = 60_000
const attemptsMax = 3

export type { UploadedPart }

/** An upload in parts, or what became of it, below a key that is nobody's. */
export interface Unfinished {
  readonly key: string
  /** Undefined when it is an object. */
  readonly uploadId: string | undefined
}

/** The requests to one bucket. Each rejects with `blobsUnavailable` while nobody answers. */
export class S3Bucket {
  readonly #client: S3Client
  readonly #bucket: string

  /** A connection on which nothing moves for `idleTimeoutMs` is given up, also in the middle of an answer. */
  constructor({ bucket, endpoint, region, pathStyle }: S3Place, idleTimeoutMs: number) {
    this.#bucket = bucket
    this.#client = new S3Client({
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(region === undefined ? {} : { region }),
      forcePathStyle: pathStyle,
      maxAttempts: attemptsMax,
      requestHandler: {
        connectionTimeout: connectTimeoutMs,
        requestTimeout: requestTimeoutMs,
        throwOnRequestTimeout: true,
        socketTimeout: idleTimeoutMs,
      },
    })
  }

  close(): void {
    this.#client.destroy()
  }

  /** Rejects with `badConfiguration` when there is no such bucket, or it may not be used. */
  async check(): Promise<void> {
    try {
      await this.#client.send(new HeadBucketCommand({ Bucket: this.#bucket }))
    } catch (error) {
      if (isAway(error)) throw asUnavailable(error)
      const reason = `the bucket ${this.#bucket} cannot be used: ${describe(error)}`
      throw new DroverError('badConfiguration', { reason }, error)
    }
  }

  /** Bytes of the object; undefined if there is none. */
  async size(key: string): Promise<number | undefined> {
    try {
      return (await this.#client.send(new HeadObjectCommand(this.#at(key)))).ContentLength
    } catch (error) {
      if (statusOf(error) === 404) return undefined
      throw asUnavailable(error)
    }
  }

  /** The object's content from `from` (bytes) on; undefined if there is no such object. */
  async read(key: string, from: number): Promise<AsyncIterable<Uint8Array> | undefined> {
    const range = from > 0 ? { Range: `bytes=${from}-` } : {}
    try {
      const { Body } = await this.#client.send(new GetObjectCommand({ ...this.#at(key), ...range }))
      return mapped(Body as AsyncIterable<Uint8Array>)
    } catch (error) {
      if (statusOf(error) === 404) return undefined
      if (statusOf(error) === 416) return mapped([])
      throw asUnavailable(error)
    }
  }

  /** The server compares what arrives with the SHA-256. */
  async put(key: string, content: Uint8Array, sha256: Buffer): Promise<void> {
    const checksum = { ChecksumSHA256: sha256.toString('base64') }
    await reached(this.#client.send(new PutObjectCommand({ ...this.#at(key), Body: content, ...checksum })))
  }

  async startUpload(key: string): Promise<string> {
    const command = new CreateMultipartUploadCommand({ ...this.#at(key), ChecksumAlgorithm: 'CRC32' })
    return (await reached(this.#client.send(command))).UploadId!
  }

  async uploadPart(
    key: string,
    uploadId: string,
    number: number,
    content: Uint8Array,
  ): Promise<UploadedPart> {
    const part = { UploadId: uploadId, PartNumber: number, ChecksumAlgorithm: 'CRC32' as const }
    const { ETag, ChecksumCRC32 } = await reached(
      this.#client.send(new UploadPartCommand({ ...this.#at(key), ...part, Body: content })),
    )
    return { PartNumber: number, ETag, ChecksumCRC32 }
  }

  async completeUpload(key: string, uploadId: string, parts: UploadedPart[]): Promise<void> {
    const upload = { UploadId: uploadId, MultipartUpload: { Parts: parts } }
    await reached(this.#client.send(new CompleteMultipartUploadCommand({ ...this.#at(key), ...upload })))
  }

  async abortUpload(key: string, uploadId: string): Promise<void> {
    await reached(
      this.#client.send(new AbortMultipartUploadCommand({ ...this.#at(key), UploadId: uploadId })),
    )
  }

  async copy(from: string, to: string): Promise<void> {
    const source = `${this.#bucket}/${from.split('/').map(encodeURIComponent).join('/')}`
    await reached(this.#client.send(new CopyObjectCommand({ ...this.#at(to), CopySource: source })))
  }

  /** Idempotent. */
  async delete(key: string): Promise<void> {
    await reached(this.#client.send(new DeleteObjectCommand(this.#at(key))))
  }

  /** The first of the objects and uploads below that prefix that are older. */
  async unfinished(prefix: string, before: Date): Promise<Unfinished[]> {
    const below = { Bucket: this.#bucket, Prefix: prefix }
    const { Contents = [] } = await reached(this.#client.send(new ListObjectsV2Command(below)))
    const { Uploads = [] } = await reached(this.#client.send(new ListMultipartUploadsCommand(below)))
    return [
      ...Contents.filter(({ LastModified }) => LastModified! < before).map(({ Key }) => ({
        key: Key!,
        uploadId: undefined,
      })),
      ...Uploads.filter(({ Initiated }) => Initiated! < before).map(({ Key, UploadId }) => ({
        key: Key!,
        uploadId: UploadId,
      })),
    ]
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#bucket, Key: key }
  }
}

async function reached<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw asUnavailable(error)
  }
}

async function* mapped(content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
  try {
    yield* content
  } catch (error) {
    throw asUnavailable(error)
  }
}

function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined
}

/** The server fails or asks to wait; or the network does, whose errors have a code, or are late. */
function isAway(error: unknown): boolean {
  const status = statusOf(error)
  if (status !== undefined) return status >= 500 || status === 429
  const { code, name } = error as NodeJS.ErrnoException
  return code !== undefined || name === 'TimeoutError'
}

/** The error itself if it is not S3's being away. */
function asUnavailable(error: unknown): unknown {
  return isAway(error) ? new DroverError('blobsUnavailable', { reason: describe(error) }, error) : error
}

/** Answers to HEAD have a status only, and a connection refused on all addresses of a host has no message. */
function describe(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(String).join('; ')
  const status = statusOf(error)
  const { name, message } = error as Error
  return status === undefined ? message : `${status} ${name} ${message}`
}
