import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { blobsContract } from './blobs.contract.ts'
import { openDiskBlobs } from './disk.ts'

const root = await mkdtemp(join(tmpdir(), 'drover-blobs-'))
after(() => rm(root, { recursive: true }))
blobsContract('disk', async () => openDiskBlobs(await mkdtemp(join(root, 'blobs-'))))

it('removes at the start what a crash left half written', async () => {
  const directory = await mkdtemp(join(root, 'crashed-'))
  await mkdir(join(directory, 'tmp'))
  await writeFile(join(directory, 'tmp', 'half'), 'hel')
  await openDiskBlobs(directory)
  assert.deepEqual(await readdir(join(directory, 'tmp')), [])
})
