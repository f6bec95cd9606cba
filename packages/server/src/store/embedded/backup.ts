import { copyFile, link, mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { literal } from './duckdb.ts'
import { layout, makeFolders, sync } from './files.ts'
import type { Pinned } from './inventory.ts'
import { segmentFiles } from './segments.ts'
import type { StoreState } from './state.ts'
import { failed } from './transaction.ts'

/**
 * Copies the store as it is at one moment: the database within one transaction's view, the segments that were listed
 * then by links, or copies on another disk. Only the moment itself waits for a write to end.
 */
export async function backup(state: StoreState, directory: string): Promise<void> {
  const target = layout(directory)
  await makeFolders(target)
  const unfinished = `${target.database}.unfinished`
  const connection = await state.database.connect()
  let pinned: Pinned | undefined
  try {
    await connection.run(`ATTACH ${literal(unfinished)} AS backup`)
    pinned = await state.lock.run(async () => {
      await connection.run('BEGIN; SELECT count(*) FROM positions')
      return state.inventories.pin()
    })
    await connection.run('COPY FROM DATABASE drover TO backup')
    await connection.run('COMMIT')
    await connection.run('DETACH backup')
    for (const { file } of pinned.inventory.segments.flatMap(segmentFiles))
      await linkOrCopy(join(state.folders.segments, file), join(target.segments, file))
    await rename(unfinished, target.database)
    await syncAll(target.database, target.segments, directory)
  } catch (error) {
    throw await failed(state, connection, error)
  } finally {
    pinned?.release()
    connection.close()
  }
}

async function linkOrCopy(source: string, target: string): Promise<void> {
  await link(source, target).catch(() => copyFile(source, target))
}

async function syncAll(database: string, segments: string, directory: string): Promise<void> {
  await sync(database)
  for (const file of await readdir(segments)) await sync(join(segments, file))
  await sync(segments)
  await mkdir(directory, { recursive: true })
  await sync(directory)
}
