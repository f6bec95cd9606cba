import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { s3Credentials, startS3 } from '../../../../tests/support/services/s3.ts'
import type { Service } from '../../../../tests/support/services/service.ts'
import { blobsContract } from './blobs.contract.ts'
import { openS3Blobs } from './s3.ts'
import { S3Bucket } from './s3-bucket.ts'
import { s3Place } from './s3-place.ts'

const partBytes = 8 * 1024 ** 2
const dayMs = 86_400_000
let service: Service
let prefixes = 0

before(async () => {
  Object.assign(process.env, s3Credentials)
  service = await startS3()
})
after(() => service[Symbol.asyncDispose]())

function emptyPlace(): string {
  const url = new URL(service.url)
  url.pathname = `/firmware/${prefixes++}`
  return url.href
}
const open = (url: string, nowMs: () => number = Date.now) => openS3Blobs({ url, nowMs })

/** What a process leaves that ends now would find a day later. */
async function leftovers(url: string) {
  const place = s3Place(url)
  const bucket = new S3Bucket(place, 10_000)
  try {
    return await bucket.unfinished(`${place.prefix}tmp/`, new Date(Date.now() + dayMs))
  } finally {
    bucket.close()
  }
}

async function* pieces(content: Buffer, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += pieceBytes) yield content.subarray(at, at + pieceBytes)
}

async function hashOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const part of content) hash.update(part)
  return hash.digest('hex')
}

blobsContract('S3', () => open(emptyPlace()))

describe('blobs in S3', () => {
  for (const bytes of [0, partBytes, partBytes + 1, 2 * partBytes, 3 * partBytes - 1]) {
    it(`keeps ${bytes} bytes, and nothing else`, async () => {
      const url = emptyPlace()
      const blobs = await open(url)
      const content = randomBytes(bytes)
      const address = createHash('sha256').update(content).digest('hex')
      for (const pieceBytes of [65_536, 3 * partBytes])
        assert.deepEqual(await blobs.put(pieces(content, pieceBytes), bytes), { address, bytes })
      assert.equal(await hashOf(await blobs.get(address)), address)
      assert.equal(await hashOf(await blobs.get(address, bytes)), await hashOf(pieces(Buffer.of(), 1)))
      assert.deepEqual(await leftovers(url), [])
      blobs.close()
    })
  }

  it('keeps nothing of a large one that breaks off or is too large', async () => {
    const url = emptyPlace()
    const blobs = await open(url)
    const content = randomBytes(2 * partBytes)
    const tooLarge = blobs.put(pieces(content, 65_536), content.length - 1)
    await assert.rejects(tooLarge, (e) => isDroverError(e, 'payloadTooLarge'))
    const breaking = (async function* () {
      yield content
      throw new Error('the sender went away')
    })()
    await assert.rejects(blobs.put(breaking, content.length), /went away/)
    assert.deepEqual(await leftovers(url), [])
    blobs.close()
  })

  it('removes at its start what a crash left more than a day before', async () => {
    const url = emptyPlace()
    const place = s3Place(url)
    const bucket = new S3Bucket(place, 10_000)
    await bucket.startUpload(`${place.prefix}tmp/upload`)
    await bucket.put(`${place.prefix}tmp/object`, Buffer.of(), createHash('sha256').digest())
    const blobs = await open(url)
    assert.equal((await leftovers(url)).length, 2)
    const aDayLater = await open(url, () => Date.now() + dayMs + 60_000)
    assert.deepEqual(await leftovers(url), [])
    for (const each of [bucket, blobs, aDayLater]) each.close()
  })

  it('is refused when there is no such bucket, or the key is wrong', async () => {
    const url = new URL(service.url)
    await assert.rejects(open(`s3://nowhere${url.search}`), (e) => isDroverError(e, 'badConfiguration'))
    process.env.AWS_SECRET_ACCESS_KEY = 'wrong'
    try {
      await assert.rejects(open(url.href), (e) => isDroverError(e, 'badConfiguration'))
    } finally {
      Object.assign(process.env, s3Credentials)
    }
  })

  it('does not wait for one that stops in the middle of an answer', async () => {
    const blobs = await openS3Blobs({ url: emptyPlace(), nowMs: Date.now, idleTimeoutMs: 2_000 })
    // More than the buffers of a connection hold.
    const content = randomBytes(4 * partBytes)
    const { address } = await blobs.put(pieces(content, partBytes), content.length)
    const answer = (await blobs.get(address))[Symbol.asyncIterator]()
    await answer.next()
    service.pause()
    try {
      const rest = { [Symbol.asyncIterator]: () => answer }
      await assert.rejects(hashOf(rest), (e) => isDroverError(e, 'blobsUnavailable'))
    } finally {
      service.resume()
    }
    blobs.close()
  })

  it('says that it is away, and goes on when it is back', async () => {
    const blobs = await open(emptyPlace())
    await service.kill()
    await assert.rejects(blobs.info('0'.repeat(64)), (e) => isDroverError(e, 'blobsUnavailable'))
    await assert.rejects(blobs.put(pieces(Buffer.from('x'), 1), 1), (e) =>
      isDroverError(e, 'blobsUnavailable'),
    )
    await assert.rejects(open(service.url), (e) => isDroverError(e, 'blobsUnavailable'))
    await service.restart()
    assert.equal((await blobs.put(pieces(Buffer.from('x'), 1), 1)).bytes, 1)
    blobs.close()
  })
})
