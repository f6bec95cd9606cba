import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { DroverError } from '@drover/protocol'

export interface DataDirectory {
  readonly path: string
  /** Lets another process use the directory. */
  release(): void
}

/** How long to wait for a process that is just ending. */
const handoverMs = 500

/**
 * Makes the directory if it is missing and claims it for this process until it ends, however it ends: the claim is a
 * lock that the operating system holds, so neither a kill -9 nor a process id that is used again leaves it behind.
 * It also ends when the answer is no longer referenced. Throws `dataDirectoryInUse` with the process id of the owner.
 *
 * Nothing else may open the file `lock` in this process: closing it would drop the lock (POSIX fcntl).
 */
export function claimDataDirectory(path: string): DataDirectory {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const pidFile = join(path, 'lock.pid')
  const database = new DatabaseSync(join(path, 'lock'), { timeout: handoverMs })
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (!isBusy(error)) throw error
    throw new DroverError('dataDirectoryInUse', { directory: path, pid: ownerOf(pidFile) })
  }
  writeFileSync(pidFile, `${process.pid}\n`)
  chmodSync(pidFile, 0o644)
  return {
    path,
    release() {
      if (!database.isOpen) return
      rmSync(pidFile, { force: true })
      database.close()
    },
  }
}

function ownerOf(pidFile: string): string {
  try {
    return readFileSync(pidFile, 'utf8').trim() || 'unknown'
  } catch {
    return 'unknown'
  }
}

/** SQLITE_BUSY and its extended codes. */
function isBusy(error: unknown): boolean {
  return ((error as { errcode?: number }).errcode ?? 0) % 256 === 5
}
