import { createHash } from 'node:crypto'
import { DroverError } from '@drover/protocol'
import type { Blobs } from './blobs.ts'

export function createMemoryBlobs(): Blobs {
  const contents = new Map<string, Buffer>()
  return {
    async put(content, bytesMax) {
      const chunks: Uint8Array[] = []
      let bytes = 0
      for await (const chunk of content) {
        bytes += chunk.length
        if (bytes > bytesMax) throw new DroverError('payloadTooLarge', { limit: bytesMax })
        chunks.push(chunk)
      }
      const whole = Buffer.concat(chunks)
      const address = createHash('sha256').update(whole).digest('hex')
      contents.set(address, whole)
      return { address, bytes }
    },
    async get(address, from = 0) {
      const whole = contents.get(address)
      if (!whole) throw new DroverError('notFound', { kind: 'blob', id: address })
      return (async function* () {
        yield whole.subarray(from)
      })()
    },
    async info(address) {
      const whole = contents.get(address)
      return whole && { address, bytes: whole.length }
    },
    async delete(address) {
      contents.delete(address)
    },
  }
}
