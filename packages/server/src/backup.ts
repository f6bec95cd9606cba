import { cp, mkdir, readdir, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { type Backup, DroverError } from '@drover/protocol'
import type { Configuration } from './config.ts'
import type { DataPaths } from './data-paths.ts'
import { dataPaths } from './data-paths.ts'
import { formatTimeMicros } from './model/time.ts'
import type { EmbeddedQueue } from './queue/embedded.ts'
import type { Registry } from './registry/registry.ts'

export interface BackupParts {
  readonly paths: DataPaths
  readonly registry: Pick<Registry, 'backup'>
  readonly queue: Pick<EmbeddedQueue, 'backup'>
  readonly storage: { backup(directory: string): Promise<void> }
  readonly nowMicros: () => number
}

/**
 * Copies everything into an empty folder, with which a server can be started as its data directory. The store is copied
 * before the log, which keeps what the store has not got yet, and the registry last, so that it knows every device
 * that either of them names. Rejects with `badRequest` when the folder cannot be used.
 */
export async function backUp(parts: BackupParts, directory: string): Promise<Backup> {
  await prepareFolder(directory)
  const copy = dataPaths(directory)
  await mkdir(copy.log, { recursive: true, mode: 0o700 })
  await parts.queue.backup(copy.log, () => parts.storage.backup(copy.store))
  await parts.registry.backup(copy.registry)
  for (const name of ['adminKey', 'tls'] as const)
    await cp(parts.paths[name], copy[name], { recursive: true }).catch(ignoreMissing)
  return {
    directory,
    bytes: await bytesBelow(directory),
    createdAt: formatTimeMicros(parts.nowMicros()),
  }
}

/** Why `backUp` is not possible; undefined when it is. */
export function backupRefusal({ queue, store, registry }: Configuration): DroverError | undefined {
  const servers = [queue, store, registry].map(({ kind }) => kind).filter((kind) => kind !== 'embedded')
  if (servers.length === 0) return undefined
  return new DroverError('badRequest', { reason: `${servers.join(', ')}: back them up by their own means` })
}

async function prepareFolder(directory: string): Promise<void> {
  if (!isAbsolute(directory))
    throw new DroverError('badRequest', {
      reason: `${directory} is not an absolute path on the server's machine`,
    })
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    if ((await readdir(directory)).length === 0) return
  } catch (error) {
    throw new DroverError(
      'badRequest',
      { reason: `${directory} cannot be used: ${(error as Error).message}` },
      error,
    )
  }
  throw new DroverError('badRequest', { reason: `${directory} is not empty` })
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}

async function bytesBelow(directory: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size
  return bytes
}
