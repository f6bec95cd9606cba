import { DroverError, isDroverError } from '@drover/protocol'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'

export interface DatabaseOptions {
  /** `postgres://user:password@host:port/database`, with `?sslmode=…` as libpq has it. */
  readonly url: string
  readonly connections: number
  /** Callers that wait for a connection; one more rejects with `tooManyRequests`. */
  readonly waitingMax: number
  /** From the granting of a connection to the end of what is done with it. */
  readonly timeoutMs: number
}

/** What can be asked on one connection. Errors are the store's. */
export interface Session {
  rows<T extends object>(text: string, values?: readonly unknown[]): Promise<T[]>
  /** Rows as arrays, for many of them. */
  arrays(text: string, values?: readonly unknown[]): Promise<unknown[][]>
  /** Answers how many rows were changed. */
  run(text: string, values?: readonly unknown[]): Promise<number>
  /** Several statements at once, without parameters; answers the rows of each. */
  statements(text: string): Promise<object[][]>
  /** Bytes of the binary format of COPY. */
  copy(text: string, bytes: Uint8Array): Promise<void>
}

const connectTimeoutMs = 10_000
const int8 = 20
const types = {
  // Every bigint of ours is below 2^53.
  getTypeParser: (id: number, format?: 'text' | 'binary') =>
    id === int8 ? Number : pg.types.getTypeParser(id, format as 'text'),
} as pg.CustomTypesConfig

/** Some connections to one database. A connection that breaks is replaced by a new one when the next is needed. */
export class Database {
  readonly #pool: pg.Pool
  readonly #options: DatabaseOptions
  readonly #inUse = new Set<pg.PoolClient>()
  #aborted = false

  constructor(options: DatabaseOptions) {
    const { url, connections, timeoutMs } = options
    this.#options = options
    this.#pool = new pg.Pool({
      connectionString: url,
      max: connections,
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
      application_name: 'drover',
      types,
      onConnect: (client) => {
        // Whoever uses the connection finds the error in its own answer.
        client.on('error', () => {})
        return client.query(sessionSettings(timeoutMs)) as unknown as undefined
      },
    })
    this.#pool.on('error', () => {})
  }

  async use<T>(task: (session: Session) => Promise<T>): Promise<T> {
    const { waitingMax, timeoutMs } = this.#options
    if (this.#aborted) throw new DroverError('shuttingDown')
    if (this.#pool.waitingCount >= waitingMax) throw new DroverError('tooManyRequests')
    const client = await this.#connect()
    // The server stops a statement by itself; this is for a server that does not answer at all.
    const timer = setTimeout(() => socketOf(client).destroy(), timeoutMs + connectTimeoutMs)
    this.#inUse.add(client)
    let broken = true
    try {
      const result = await task(new ClientSession(client, timeoutMs))
      broken = false
      return result
    } catch (error) {
      broken = isDroverError(error, 'storeUnavailable')
      throw error
    } finally {
      clearTimeout(timer)
      this.#inUse.delete(client)
      client.release(broken)
    }
  }

  /** What `task` did becomes visible together, or nothing of it. */
  transaction<T>(task: (session: Session) => Promise<T>, begin = 'BEGIN'): Promise<T> {
    return this.use(async (session) => {
      try {
        await session.statements(begin)
        const result = await task(session)
        await session.statements('COMMIT')
        return result
      } catch (error) {
        await session.statements('ROLLBACK').catch(() => {})
        throw error
      }
    })
  }

  /** Everything that `task` asks is of one moment. */
  snapshot<T>(task: (session: Session) => Promise<T>): Promise<T> {
    return this.transaction(task, 'BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY')
  }

  /** What is being asked rejects with `storeUnavailable`, what is asked from now on with `shuttingDown`. */
  abort(): void {
    this.#aborted = true
    for (const client of this.#inUse) socketOf(client).destroy()
  }

  close(): Promise<void> {
    return this.#pool.end()
  }

  async #connect(): Promise<pg.PoolClient> {
    try {
      return await this.#pool.connect()
    } catch (error) {
      throw storeError(error, this.#options.timeoutMs)
    }
  }
}

function sessionSettings(timeoutMs: number): string {
  return `SET jit = off; SET client_min_messages = warning; SET statement_timeout = ${timeoutMs};
    SET idle_in_transaction_session_timeout = ${timeoutMs}`
}

function socketOf(client: pg.PoolClient): { destroy(): void } {
  return (client as unknown as { connection: pg.Connection }).connection.stream
}

class ClientSession implements Session {
  readonly #client: pg.PoolClient
  readonly #timeoutMs: number

  constructor(client: pg.PoolClient, timeoutMs: number) {
    this.#client = client
    this.#timeoutMs = timeoutMs
  }

  async rows<T extends object>(text: string, values: readonly unknown[] = []): Promise<T[]> {
    const { rows } = await this.#told(this.#client.query<T & pg.QueryResultRow>(text, [...values]))
    return rows
  }

  async arrays(text: string, values: readonly unknown[] = []): Promise<unknown[][]> {
    const { rows } = await this.#told(
      this.#client.query<unknown[]>({ text, values: [...values], rowMode: 'array' }),
    )
    return rows
  }

  async run(text: string, values: readonly unknown[] = []): Promise<number> {
    const { rowCount } = await this.#told(this.#client.query(text, [...values]))
    return rowCount ?? 0
  }

  async statements(text: string): Promise<object[][]> {
    const found = (await this.#told(this.#client.query(text))) as unknown as
      | pg.QueryResult
      | readonly pg.QueryResult[]
    return [found].flat().map(({ rows }) => rows)
  }

  copy(text: string, bytes: Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#client.query(copyFrom(text)).on('error', reject).on('finish', resolve).end(bytes)
    return this.#told(promise)
  }

  async #told<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer
    } catch (error) {
      throw storeError(error, this.#timeoutMs)
    }
  }
}

/** SQLSTATE of a stopped statement. */
const queryCanceled = '57014'
/** Classes of SQLSTATE that pass: connection, rollback, resources, object in use, operator, system. */
const passing = new Set(['08', '40', '53', '55', '57', '58'])
const idleInTransaction = '25P03'

/** `queryTimedOut`, `storeUnavailable`, or the server's own error where asking again would not help. */
function storeError(error: unknown, timeoutMs: number): unknown {
  const state = sqlState(error)
  if (state === queryCanceled) return new DroverError('queryTimedOut', { limitMs: timeoutMs }, error)
  if (state !== undefined && state !== idleInTransaction && !passing.has(state.slice(0, 2))) return error
  const reason = error instanceof Error ? error.message || error.name : String(error)
  return new DroverError('storeUnavailable', { reason: `PostgreSQL: ${reason}` }, error)
}

/** Of what the server itself said; undefined when the connection failed. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined
}

export const quoted = (name: string): string => pg.escapeIdentifier(name)
