import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DroverError } from '@drover/protocol'
import { type Blobs, isBlobAddress } from './blobs.ts'

/**
 * Blobs in a folder: `ab/abcdef…`, by the first two digits so that no folder grows too large. What a crash left
 * half written in `tmp` goes at the next start.
 */
export async function openDiskBlobs(directory: string): Promise<Blobs> {
  const unfinished = join(directory, 'tmp')
  await mkdir(unfinished, { recursive: true })
  for (const name of await readdir(unfinished)) await rm(join(unfinished, name), { force: true })
  const pathOf = (address: string) => join(directory, address.slice(0, 2), address)
  const info = async (address: string) => {
    if (!isBlobAddress(address)) return undefined
    try {
      return { address, bytes: (await stat(pathOf(address))).size }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }
  return {
    info,
    async put(content, bytesMax) {
      const path = join(unfinished, randomUUID())
      try {
        const written = await writeDurably(path, content, bytesMax)
        const target = pathOf(written.address)
        await mkdir(dirname(target), { recursive: true })
        await rename(path, target)
        await syncFolder(dirname(target))
        await syncFolder(directory)
        return written
      } finally {
        await rm(path, { force: true })
      }
    },
    async get(address, from = 0) {
      if (!(await info(address))) throw new DroverError('notFound', { kind: 'blob', id: address })
      return createReadStream(pathOf(address), { start: from })
    },
    async delete(address) {
      if (isBlobAddress(address)) await rm(pathOf(address), { force: true })
    },
  }
}

async function writeDurably(path: string, content: AsyncIterable<Uint8Array>, bytesMax: number) {
  const hash = createHash('sha256')
  let bytes = 0
  await using file = await open(path, 'wx')
  for await (const chunk of content) {
    bytes += chunk.length
    if (bytes > bytesMax) throw new DroverError('payloadTooLarge', { limit: bytesMax })
    hash.update(chunk)
    await file.writeFile(chunk)
  }
  await file.sync()
  return { address: hash.digest('hex'), bytes }
}

/** A rename is durable only when the folder that holds the name is. */
async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r')
  await folder.sync()
}
