import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'

/** Where the store keeps what, below its directory. */
export interface Layout {
  readonly ledger: string
  readonly segments: string
  readonly temporary: string
}

export function layout(directory: string): Layout {
  return {
    ledger: join(directory, 'ledger.sqlite'),
    segments: join(directory, 'segments'),
    temporary: join(directory, 'tmp'),
  }
}

export async function makeFolders({ segments, temporary }: Layout): Promise<void> {
  await mkdir(segments, { recursive: true })
  await mkdir(temporary, { recursive: true })
}

/** Deletes what a crash left behind: everything temporary, and files that no transaction has listed. */
export async function removeUnlisted(folders: Layout, listed: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(folders.temporary))
    await rm(join(folders.temporary, name), { recursive: true, force: true })
  for (const name of await readdir(folders.segments))
    if (!listed.has(name)) await rm(join(folders.segments, name), { force: true })
}

/** Makes the bytes of a file, or the names in a folder, durable. */
export async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Called between any two steps that a crash may separate, with the name of the step that is done. */
export type Failpoint = (step: string) => void | Promise<void>

/**
 * Moves a finished temporary file into the segments: its bytes are durable before it has its name, and the name
 * before a transaction may list it.
 */
export async function publish(file: string, segments: string, failpoint: Failpoint): Promise<void> {
  await sync(file)
  await failpoint('file synced')
  await rename(file, join(segments, basename(file)))
  await failpoint('file renamed')
  await sync(segments)
  await failpoint('folder synced')
}
