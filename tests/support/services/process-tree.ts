import { readdirSync, readFileSync } from 'node:fs'

interface ProcessEntry {
  readonly pid: number
  readonly parent: number
  readonly group: number
}

/**
 * The process, if it still runs, then what it started: in its group, below it, or with `mark` in its environment, as
 * daemons that left the others have. Reads /proc, so Linux only.
 */
export function processTree(root: number, mark: string): number[] {
  const all = processes()
  const own = all.filter(
    ({ pid, group }) => pid === root || group === root || environmentOf(pid).includes(mark),
  )
  const found = new Set(own.map(({ pid }) => pid))
  // A set gives what is added while it is walked.
  for (const pid of found) for (const child of all) if (child.parent === pid) found.add(child.pid)
  return [...found].sort((a, b) => Number(b === root) - Number(a === root))
}

export function isAlive(pid: number): boolean {
  return entryOf(pid) !== undefined
}

function processes(): ProcessEntry[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => entryOf(Number(name)) ?? [])
}

/** `/proc/PID/stat`: pid (name) state ppid pgrp …; undefined for one that has ended, waited for or not. */
function entryOf(pid: number): ProcessEntry | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  const [state = '', parent, group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return state === 'Z' || state === 'X' ? undefined : { pid, parent: Number(parent), group: Number(group) }
}

/** Empty when it has ended or is somebody else's. */
function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1')
  } catch {
    return ''
  }
}
