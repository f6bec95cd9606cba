import { DroverError } from '@drover/protocol'
import type { PostgresPool, PostgresPoolClient } from 'kysely'
import { Client, type ClientConfig, DatabaseError, Pool, type PoolClient, types } from 'pg'

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`, with the parameters that libpq takes too (`sslmode` …). */
  readonly url: string
}

/** A server that does not accept a connection by then counts as away. */
const connectTimeoutMs = 5_000
const statementTimeoutMs = 10_000
/** A process that stands still in the middle of a transaction holds up all others; they wait for longer than this. */
const idleInTransactionTimeoutMs = 5_000
/** When the server's own limit has passed and nothing was heard, the network is cut. */
const answerTimeoutMs = statementTimeoutMs + 2_000

const int8 = 20

/** Numbers of rows and times in µs are below 2^53. */
const getTypeParser: typeof types.getTypeParser = (oid: number, format?: 'text' | 'binary') =>
  oid === int8 && format !== 'binary' ? Number : types.getTypeParser(oid, format as 'text')

/** For all connections to the registry. Throws `badConfiguration` when the address cannot be understood. */
export function clientOptions({ url }: PostgresOptions): ClientConfig {
  const config: ClientConfig = {
    connectionString: url,
    application_name: 'drover',
    keepAlive: true,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionTimeoutMs,
    query_timeout: answerTimeoutMs,
    types: { getTypeParser },
  }
  try {
    // Reads the address, and the files of certificates that it names.
    new Client(config)
  } catch (error) {
    const reason = `the address of the registry's database: ${(error as Error).message}`
    throw new DroverError('badConfiguration', { reason }, error)
  }
  return config
}

/**
 * Connections for Kysely. Rejects with `registryUnavailable` while the database does not answer, or not in time; a
 * connection on which that happened is not used again.
 */
export function openPool(config: ClientConfig, connectionsMax: number): PostgresPool {
  const pool = new Pool({ ...config, max: connectionsMax })
  // One that is lost while it is idle is replaced when it is needed.
  pool.on('error', () => {})
  return {
    options: pool.options,
    end: () => pool.end(),
    async connect() {
      try {
        return guarded(await pool.connect())
      } catch (error) {
        throw asDroverError(error as Error)
      }
    },
  }
}

function guarded(client: PoolClient): PostgresPoolClient {
  let isBroken = false
  // Between two statements of a transaction nobody else listens, and an error that is not heard ends the process.
  const onLost = () => {
    isBroken = true
  }
  client.on('error', onLost)
  const query = async (text: string, parameters: readonly unknown[]) => {
    try {
      return await client.query(text, parameters as unknown[])
    } catch (error) {
      isBroken ||= breaksConnection(error as Error)
      throw asDroverError(error as Error)
    }
  }
  return {
    // Kysely asks by text; only for streams would it use a cursor.
    query: query as unknown as PostgresPoolClient['query'],
    release(destroy) {
      client.off('error', onLost)
      client.release(destroy || isBroken)
    },
  }
}

/**
 * SQLSTATEs that say that the server is not there: of connection, resources, operator intervention; that it is one that
 * only reads (now); that it has given up a transaction which stood still.
 */
const awayStates = /^(08|53|57P|25006|25P03)/
/** query_canceled (by the time limit), lock_not_available, deadlock_detected. */
const lateStates = new Set(['57014', '55P03', '40P01'])
/** character_not_in_repertoire: of all that Drover sends, PostgreSQL cannot keep NUL only. */
const badTextState = '22021'

/** Of user and password, database, permission: what will not be otherwise by itself. */
export function isRefusal(error: unknown): boolean {
  return error instanceof DatabaseError && /^(28|3D|42501)/.test(error.code ?? '')
}

/** What does not come from the server comes from the way to it. */
function breaksConnection(error: Error): boolean {
  return !(error instanceof DatabaseError) || awayStates.test(error.code ?? '')
}

/** The error itself if it is neither the database's being away nor a text that it cannot keep. */
export function asDroverError(error: Error): Error {
  const { code = '' } = error as DatabaseError
  if (code === badTextState)
    return new DroverError('badRequest', { reason: 'a text holds the character U+0000' }, error)
  if (!breaksConnection(error) && !lateStates.has(code)) return error
  return new DroverError('registryUnavailable', { reason: reasonOf(error) }, error)
}

/** A connection that is refused on all addresses of a host has no message of its own. */
function reasonOf(error: Error): string {
  return error instanceof AggregateError ? error.errors.map(String).join('; ') : error.message
}
