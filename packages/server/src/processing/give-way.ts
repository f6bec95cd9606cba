import { setTimeout as sleep } from 'node:timers/promises'

export interface GiveWayOptions {
  /** The share of the machine's processor time that was idle since it was asked last, 0 to 1. */
  readonly idleShare: () => number
  /** Records that have come into the queue. */
  readonly arrived: () => number
  /** Whether the store works in the background, at segments. */
  readonly hasOwnWork: () => boolean
  /** Bytes that may wait in the queue on account of it. */
  readonly bytesMax: number
}

/** What was stored last. */
export interface StoredLast {
  /** Since it was received. */
  readonly lagMs: number
  /** From the receipt of its first to that of its last message. */
  readonly spanMs: number
  readonly bytes: number
  /** That storing it took. */
  readonly workMs: number
}

/** Storing falls back by so much at most, and then catches up without a pause until it is that close again. */
const lagMsMax = 10_000
const caughtUpMs = 1_000
/** Pauses are so many times as long as the work between them. */
const pausesPerWork = 19
/** How long is watched at a time what comes in, and what the processors do. */
const watchMs = 100
/** With more idle, nobody has to wait for storing. */
const idleShareMax = 0.35
/** A pause goes on while so many times as much comes in as while storing; when it does not help, it is not tried for a while. */
const gainMin = 1.08
const retryMs = 1_000
/** So long without much to store was not a burst. */
const calmMs = 500
const settleMs = 500
/** What comes in while storing is averaged over so long: to store is also to make segments, now and then. */
const averagedMs = 3_000

interface Look {
  readonly atMs: number
  readonly arrived: number
}

/**
 * Lets acknowledging go before storing in a burst: what is in the queue already may wait for some seconds, what a device
 * sends may not. It pauses when all processors are busy, and only as long as more comes in for it.
 */
export class GiveWay {
  readonly #options: GiveWayOptions
  /** When storing went on after the last look. */
  #since: Look
  #busyWatchedAt = 0
  #isBusy = false
  /** Records a millisecond that come in while storing. */
  #storingRate = 0
  #watchedMs = 0
  #catchesUp = false
  #notBefore = 0

  constructor(options: GiveWayOptions) {
    this.#options = options
    this.#since = this.#look()
  }

  /** Pauses, if it is worth it, until the next batch is to be stored; answers whether it has. */
  async pause({ lagMs, spanMs, bytes, workMs }: StoredLast, signal: AbortSignal): Promise<boolean> {
    const waitingBytes = (lagMs * bytes) / Math.max(1, spanMs)
    if (lagMs >= lagMsMax || waitingBytes >= this.#options.bytesMax) this.#catchesUp = true
    else if (lagMs < caughtUpMs) this.#catchesUp = false
    this.#watchStoring()
    if (this.#catchesUp || !this.#isBusy || performance.now() < this.#notBefore) return false
    if (this.#storingRate === 0) return false
    const start = this.#look()
    const pauseMs = Math.max(watchMs, pausesPerWork * workMs)
    do {
      await sleep(watchMs, undefined, { signal }).catch(() => {})
      // What comes in while the store makes segments says nothing of what would come in without.
      if (!this.#options.hasOwnWork() && this.#rateSince(start) <= gainMin * this.#storingRate) {
        this.#notBefore = performance.now() + retryMs
        break
      }
    } while (performance.now() - start.atMs < pauseMs && !signal.aborted)
    this.#since = this.#look()
    return true
  }

  #watchStoring(): void {
    const nowMs = performance.now()
    const watchedMs = nowMs - this.#since.atMs
    if (watchedMs > calmMs) {
      // Much has only just begun to come in, and may come to more by itself.
      this.#notBefore = nowMs + settleMs
      this.#watchedMs = 0
      this.#since = this.#look()
    } else if (watchedMs >= watchMs / 5) {
      const rate = this.#rateSince(this.#since)
      this.#watchedMs = Math.min(averagedMs, this.#watchedMs + watchedMs)
      this.#storingRate += (watchedMs / this.#watchedMs) * (rate - this.#storingRate)
      this.#since = this.#look()
    }
    if (nowMs - this.#busyWatchedAt >= watchMs) {
      this.#isBusy = this.#options.idleShare() < idleShareMax
      this.#busyWatchedAt = nowMs
    }
  }

  #rateSince({ atMs, arrived }: Look): number {
    return (this.#options.arrived() - arrived) / Math.max(1, performance.now() - atMs)
  }

  #look(): Look {
    return { atMs: performance.now(), arrived: this.#options.arrived() }
  }
}
