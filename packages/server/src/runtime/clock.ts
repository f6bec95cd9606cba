import { performance } from 'node:perf_hooks'

/** Time, as an argument: tests pass one that they move themselves. */
export interface Clock {
  /** µs since 1970; follows the wall clock, also when it is set. */
  nowMicros(): number
  /** Calls `task` every `periodMs` until the returned function is called. Does not keep the process alive. */
  every(periodMs: number, task: () => void): () => void
}

/** How far the fine clock may run from the wall clock before it is set anew. */
const driftMsMax = 2

let wallMsAtZero = Date.now() - performance.now()

/** Date.now() counts in ms; performance.now() gives the fraction. */
function nowMicros(): number {
  const wallMs = Date.now()
  let fineMs = wallMsAtZero + performance.now()
  if (Math.abs(fineMs - wallMs) > driftMsMax) {
    wallMsAtZero += wallMs - fineMs
    fineMs = wallMs
  }
  return Math.floor(fineMs * 1000)
}

export const systemClock: Clock = {
  nowMicros,
  every(periodMs, task) {
    const timer = setInterval(task, periodMs)
    timer.unref()
    return () => clearInterval(timer)
  },
}
