import { DroverError, limits } from '@drover/protocol'
import type { Ask, Parameters, Session } from './session.ts'

/** Queries that read at a time; the others wait for their turn. */
const queriesAtATime = 16

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
    await this.#turn()
    try {
      return await query(reading)
    } finally {
      this.#running--
      this.#waiting.shift()?.()
    }
  }

  async #turn(): Promise<void> {
    if (this.#waiting.length >= limits.queriesWaitingMax) throw new DroverError('tooManyRequests')
    if (this.#running >= queriesAtATime) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#running++
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
      const { rows, next } = await this.#page<T>(query, params, { after, rowsMax })
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

  async #page<T>(
    query: string,
    params: Parameters,
    options: { after: string | undefined; rowsMax?: number | undefined },
  ) {
    const timeoutMs = Math.floor(this.#endsAt - performance.now())
    if (timeoutMs < 1) throw this.#timedOut()
    try {
      return await this.#session.page<T>(query, params, { ...options, timeoutMs })
    } catch (error) {
      throw performance.now() >= this.#endsAt - 1 ? this.#timedOut() : error
    }
  }

  #timedOut(): DroverError {
    return new DroverError('queryTimedOut', { limitMs: this.#limitMs })
  }
}
