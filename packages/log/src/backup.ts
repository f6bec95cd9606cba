import { backup, DatabaseSync } from 'node:sqlite'
import { fromSqlite } from './errors.ts'
import { addIdentity, logFile, readNextPosition } from './file.ts'

/** All of them: a backup of several steps starts again whenever the log is written between two. */
const pagesPerStep = 0x7fff_ffff

/**
 * Copies the log of `directory` as it is at one instant to a new log in the existing folder `target`, while the log is
 * written. The copy is made in a thread of the pool; it holds one read transaction, so appends go on meanwhile.
 * The copy accepts all positions given so far, but gives its own under a new identity: a position that the original
 * gave after the copy was made is not taken for one of the copy's.
 */
export async function backupLog(directory: string, target: string): Promise<void> {
  try {
    const source = new DatabaseSync(logFile(directory), { readOnly: true, timeout: 1000 })
    try {
      await backup(source, logFile(target), { rate: pagesPerStep })
    } finally {
      source.close()
    }
    const copy = new DatabaseSync(logFile(target))
    try {
      copy.exec('PRAGMA synchronous = FULL')
      addIdentity(copy, readNextPosition(copy))
    } finally {
      copy.close()
    }
  } catch (error) {
    throw fromSqlite(error)
  }
}
