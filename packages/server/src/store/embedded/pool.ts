import { DroverError } from '@drover/protocol'
import type { Connection, Database } from './duckdb.ts'

export interface ReadPoolOptions {
  readonly connections: number
  /** Queries that wait for a connection; one more rejects with `tooManyRequests`. */
  readonly waitingMax: number
  /** From its asking to its answer; then it is interrupted and rejects with `queryTimedOut`. */
  readonly timeoutMs: number
}

interface Waiting {
  readonly start: (connection: Connection) => void
  readonly refuse: (error: Error) => void
}

/** A few connections that read, each one query at a time. */
export class ReadPool {
  readonly #options: ReadPoolOptions
  readonly #all: readonly Connection[]
  readonly #idle: Connection[]
  readonly #waiting = new Set<Waiting>()
  readonly #running = new Set<Promise<unknown>>()
  #closed = false

  private constructor(options: ReadPoolOptions, connections: readonly Connection[]) {
    this.#options = options
    this.#all = connections
    this.#idle = [...connections]
  }

  static async open(database: Database, options: ReadPoolOptions): Promise<ReadPool> {
    const connections = Array.from({ length: options.connections }, () => database.connect())
    return new ReadPool(options, await Promise.all(connections))
  }

  async run<T>(query: (connection: Connection) => Promise<T>): Promise<T> {
    const { timeoutMs } = this.#options
    let expire: (() => void) | undefined
    let expired = false
    const timer = setTimeout(() => {
      expired = true
      expire?.()
    }, timeoutMs)
    const timedOut = () => new DroverError('queryTimedOut', { limitMs: timeoutMs })
    try {
      const connection = await this.#acquire((refuse) => {
        expire = () => refuse(timedOut())
      })
      expire = () => connection.interrupt()
      try {
        return await this.#watched(query(connection))
      } catch (error) {
        throw expired ? timedOut() : error
      } finally {
        expire = undefined
        this.#release(connection)
      }
    } finally {
      clearTimeout(timer)
    }
  }

  /** Refuses what waits, stops what runs, and closes the connections when it has ended. */
  async close(): Promise<void> {
    this.#closed = true
    for (const waiting of this.#waiting) waiting.refuse(new DroverError('shuttingDown'))
    for (const connection of this.#all) if (!this.#idle.includes(connection)) connection.interrupt()
    await Promise.allSettled(this.#running)
    for (const connection of this.#all) connection.close()
  }

  async #watched<T>(running: Promise<T>): Promise<T> {
    this.#running.add(running)
    try {
      return await running
    } finally {
      this.#running.delete(running)
    }
  }

  #acquire(onWait: (refuse: (error: Error) => void) => void): Promise<Connection> {
    if (this.#closed) return Promise.reject(new DroverError('shuttingDown'))
    const idle = this.#idle.pop()
    if (idle) return Promise.resolve(idle)
    if (this.#waiting.size >= this.#options.waitingMax)
      return Promise.reject(new DroverError('tooManyRequests'))
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        start: resolve,
        refuse: (error) => {
          this.#waiting.delete(waiting)
          reject(error)
        },
      }
      this.#waiting.add(waiting)
      onWait(waiting.refuse)
    })
  }

  #release(connection: Connection): void {
    const [next] = this.#waiting
    if (!next) this.#idle.push(connection)
    else {
      this.#waiting.delete(next)
      next.start(connection)
    }
  }
}
