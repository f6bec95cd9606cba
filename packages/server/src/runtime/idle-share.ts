import { cpus } from 'node:os'

/** A meter of the whole machine: answers the share of processor time that was idle since it was asked last, 0 to 1. */
export function createIdleMeter(): () => number {
  let before = processorTimes()
  return () => {
    const now = processorTimes()
    const totalMs = now.totalMs - before.totalMs
    const idleMs = now.idleMs - before.idleMs
    before = now
    return totalMs > 0 ? idleMs / totalMs : 1
  }
}

function processorTimes(): { readonly idleMs: number; readonly totalMs: number } {
  let idleMs = 0
  let totalMs = 0
  for (const { times } of cpus()) {
    idleMs += times.idle
    totalMs += times.idle + times.user + times.sys + times.nice + times.irq
  }
  return { idleMs, totalMs }
}
