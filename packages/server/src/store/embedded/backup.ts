import { copyFile, link, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { backup as copyDatabase } from 'node:sqlite'
import { storeUnavailable } from './errors.ts'
import { layout, makeFolders, sync } from './files.ts'
import { filesOf } from './inventory.ts'
import type { StoreState } from './state.ts'

/**
 * Copies the store as its ledger has it at one moment: the ledger, and the files that it lists, by links, or by copies on
 * another disk. Only changes of the ledger wait for it.
 */
export async function backup({ ledger, inventories, folders }: StoreState, directory: string): Promise<void> {
  const target = layout(directory)
  const unfinished = `${target.ledger}.unfinished`
  try {
    await makeFolders(target)
    const pinned = await ledger.still(async () => {
      const pinned = inventories.pin()
      await copyDatabase(ledger.db, unfinished).catch((error) => {
        pinned.release()
        throw error
      })
      return pinned
    })
    try {
      for (const file of filesOf(pinned.inventory))
        await linkOrCopy(join(folders.segments, file), join(target.segments, file))
    } finally {
      pinned.release()
    }
    await rename(unfinished, target.ledger)
    await syncAll(target.ledger, target.segments, directory)
  } catch (error) {
    throw storeUnavailable(error)
  }
}

async function linkOrCopy(source: string, target: string): Promise<void> {
  await link(source, target).catch(() => copyFile(source, target))
}

async function syncAll(ledger: string, segments: string, directory: string): Promise<void> {
  await sync(ledger)
  for (const file of await readdir(segments)) await sync(join(segments, file))
  await sync(segments)
  await sync(directory)
}
