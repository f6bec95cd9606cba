import { readdirSync, readFileSync } from 'node:fs'
import { setPriority } from 'node:os'

const tasks = '/proc/self/task'

/**
 * Lets all other threads go before those of this process with one of the names, when the processor is short. Threads
 * that they start from then on do so too. Only Linux gives each thread a priority; elsewhere nothing happens.
 */
export function yieldToOthers(threadNames: readonly string[], niceness: number): void {
  if (process.platform !== 'linux') return
  for (const task of readdirSync(tasks)) {
    try {
      const name = readFileSync(`${tasks}/${task}/comm`, 'utf8').trim()
      if (threadNames.includes(name)) setPriority(Number(task), niceness)
    } catch {
      // A thread that has just ended, or a system that refuses: it then runs as the others do.
    }
  }
}
