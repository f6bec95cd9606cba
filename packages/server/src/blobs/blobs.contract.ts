import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { isDroverError } from '@drover/protocol'
import type { Blobs } from './blobs.ts'

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}

async function textOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of content) parts.push(part)
  return Buffer.concat(parts).toString()
}

/** What every driver of blobs does. `open` gives an empty one. */
export function blobsContract(name: string, open: () => Promise<Blobs>): void {
  describe(`blobs: ${name}`, () => {
    const address = createHash('sha256').update('hello world').digest('hex')

    it('gives back what was put, whole and from an offset, under the hash of its content', async () => {
      const blobs = await open()
      assert.deepEqual(await blobs.put(chunks('hello', ' world'), 100), { address, bytes: 11 })
      assert.equal(await textOf(await blobs.get(address)), 'hello world')
      assert.equal(await textOf(await blobs.get(address, 6)), 'world')
      assert.deepEqual(await blobs.info(address), { address, bytes: 11 })
    })

    it('keeps the same content once, however it was cut', async () => {
      const blobs = await open()
      const first = await blobs.put(chunks('hello world'), 100)
      assert.deepEqual(await blobs.put(chunks('hel', 'lo world'), 100), first)
    })

    it('keeps nothing of what is too large or breaks off', async () => {
      const blobs = await open()
      await assert.rejects(blobs.put(chunks('hello', ' world'), 10), (e) =>
        isDroverError(e, 'payloadTooLarge'),
      )
      const breaking = (async function* () {
        yield Buffer.from('hello world')
        throw new Error('the sender went away')
      })()
      await assert.rejects(blobs.put(breaking, 100), /went away/)
      assert.equal(await blobs.info(address), undefined)
    })

    it('says that there is no such blob, also for an address that is none', async () => {
      const blobs = await open()
      for (const missing of [address, '../../etc/passwd', '']) {
        assert.equal(await blobs.info(missing), undefined)
        await assert.rejects(blobs.get(missing), (e) => isDroverError(e, 'notFound'))
        await blobs.delete(missing)
      }
    })

    it('forgets a deleted blob', async () => {
      const blobs = await open()
      await blobs.put(chunks('hello world'), 100)
      await blobs.delete(address)
      await blobs.delete(address)
      assert.equal(await blobs.info(address), undefined)
    })
  })
}
