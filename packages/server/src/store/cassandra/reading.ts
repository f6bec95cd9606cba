import { DroverError, limits } from '@drover/protocol'
import type { Ask, Parameters, Session } from './session.ts'

/** Queries that read at a time; the others wait for their turn. */
const queriesAtATime = 16

/** A request that is late is given up so much later than its query, which has been told by then. */
const graceMs = 50

/** Lets so many queries read at a time, each within its time, which begins when it is asked. */
export class Readings {
  readonly #session: Session
  readonly #timeoutMs: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(session: Session, timeoutMs: number) {
    this.#session = session
    this.#timeoutMs = timeoutMs
  }

  /** Rejects with `tooManyRequests`, `queryTimedOut`, or as the query does. */
  async run<T>(query: (ask: Ask) => Promise<T>): Promise<T> {
    const reading = new Reading(this.#session, this.#timeoutMs)
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => reject(timedOut(this.#timeoutMs)), this.#timeoutMs)
    try {
      return await Promise.race([this.#inTurn(() => query(reading)), late])
    } finally {
      clearTimeout(timer)
    }
  }

  /** What was told that it is late keeps its turn until its last request has ended. */
  async #inTurn<T>(query: () => Promise<T>): Promise<T> {
    if (this.#waiting.length >= limits.queriesWaitingMax) throw new DroverError('tooManyRequests')
    if (this.#running >= queriesAtATime) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#running++
    try {
      return await query()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }
}

/** What one query asks, until its time is over. */
class Reading implements Ask {
  readonly #session: Session
  readonly #limitMs: number
  readonly #endsAt: number

  constructor(session: Session, limitMs: number) {
    this.#session = session
    this.#limitMs = limitMs
    this.#endsAt = performance.now() + limitMs
  }

  async *pages<T>(query: string, params: Parameters, rowsMax?: number): AsyncGenerator<readonly T[]> {
    for (let after: string | undefined, more = true; more; ) {
      const leftMs = Math.ceil(this.#endsAt - performance.now())
      if (leftMs < 1) throw timedOut(this.#limitMs)
      const options = { after, rowsMax, timeoutMs: leftMs + graceMs }
      const { rows, next } = await this.#session.page<T>(query, params, options)
      yield rows
      after = next ?? undefined
      more = after !== undefined
    }
  }

  async rows<T>(query: string, params: Parameters): Promise<T[]> {
    const all: T[] = []
    for await (const rows of this.pages<T>(query, params)) for (const row of rows) all.push(row)
    return all
  }
}

const timedOut = (limitMs: number) => new DroverError('queryTimedOut', { limitMs })
