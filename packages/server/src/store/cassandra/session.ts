import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { DroverError } from '@drover/protocol'
import type { Client, policies, types } from 'cassandra-driver'
import { concurrently } from './concurrently.ts'
import { cassandraError, innermost } from './errors.ts'
import type { CassandraAddress } from './url.ts'

/** Values that are bound to a statement: 64-bit integers as numbers, `undefined` where a column is left as it is. */
export type Parameters = readonly (
  | number
  | string
  | Uint8Array
  | null
  | undefined
  | types.Tuple
  | readonly (number | string)[]
)[]

export interface Statement {
  readonly query: string
  readonly params: Parameters
}

/** Statements of one partition: one request, applied whole. */
export type Mutation = readonly Statement[]

/** What can be asked, with or without a limit of time. */
export interface Ask {
  /** Every row, page by page; of `rowsMax` rows at most when the asker hopes not to need them all. */
  pages<T>(query: string, params: Parameters, rowsMax?: number): AsyncGenerator<readonly T[]>
  rows<T>(query: string, params: Parameters): Promise<T[]>
}

const connectTimeoutMs = 10_000
const closeTimeoutMs = 5_000
/** Between two attempts to reach a node that is away. */
const reconnectFirstMs = 250
const reconnectMsMax = 5_000
const requestTimeoutMs = 12_000
/** Mutations that wait for their answers at a time. */
const mutationsInFlight = 64
const rowsPerPage = 5_000

/**
 * A node that was away comes back under a new object; the library goes on connecting by the old one, even when the client
 * is closed, unless that is ended with it.
 */
interface RemovedHost {
  shutdown(waitForPending: boolean): Promise<void>
}

/** The connections to the cluster; everything is prepared, and sent to a node that keeps the partition. */
export class Session implements Ask {
  readonly #client: Client
  readonly #removed = new Set<RemovedHost>()
  readonly #read: types.consistencies
  readonly #write: types.consistencies
  /** Makes a tuple of values. */
  readonly tuple: (...values: (number | string | null)[]) => types.Tuple

  private constructor(client: Client, driver: typeof import('cassandra-driver'), address: CassandraAddress) {
    const { consistencies, Tuple } = driver.types
    this.#client = client
    client.on('hostRemove', (host: RemovedHost) => this.#removed.add(host))
    this.#read = consistencies[address.readConsistency]
    this.#write = consistencies[address.writeConsistency]
    this.tuple = (...values) => new Tuple(...values)
  }

  /** Rejects with `storeUnavailable` or `badConfiguration`. `keyspace`: undefined while it does not exist. */
  static async open(address: CassandraAddress, keyspace: string | undefined): Promise<Session> {
    const { default: driver } = await import('cassandra-driver')
    const { Client, auth, policies } = driver
    const { contactPoints, credentials, datacenter, tls, ca } = address
    const client = new Client({
      contactPoints: [...contactPoints],
      keyspace,
      ...(credentials && {
        authProvider: new auth.PlainTextAuthProvider(credentials.username, credentials.password),
      }),
      ...(tls && { sslOptions: { rejectUnauthorized: true, ...(ca && { ca: [await readFile(ca)] }) } }),
      encoding: { useUndefinedAsUnset: true },
      pooling: { coreConnectionsPerHost: { 0: 2, 1: 1 }, maxRequestsPerConnection: 4_096 },
      policies: {
        reconnection: new policies.reconnection.ExponentialReconnectionPolicy(
          reconnectFirstMs,
          reconnectMsMax,
        ),
        loadBalancing: loadBalancing(policies.loadBalancing, datacenter, keyspace),
      },
      queryOptions: { prepare: true, isIdempotent: true },
      socketOptions: { connectTimeout: connectTimeoutMs, readTimeout: requestTimeoutMs },
    })
    try {
      await client.connect()
    } catch (error) {
      await client.shutdown()
      throw openingError(error)
    }
    return new Session(client, driver, address)
  }

  /** Nodes that are known, by their data centre. */
  get nodes(): ReadonlyMap<string, number> {
    return new Map(
      [...Map.groupBy(this.#client.hosts.values(), ({ datacenter }) => datacenter)].map(([name, hosts]) => [
        name,
        hosts.length,
      ]),
    )
  }

  /** A statement that defines something; waits until all nodes know it. */
  async define(query: string): Promise<void> {
    await answered(this.#client.execute(query, [], { prepare: false }))
  }

  /** One page; a short `timeoutMs` ends a request that takes longer. */
  async page<T>(query: string, params: Parameters, options: PageOptions = {}): Promise<Page<T>> {
    const found = await answered(
      this.#client.execute(query, params as unknown[], {
        consistency: this.#read,
        fetchSize: Math.min(options.rowsMax ?? rowsPerPage, rowsPerPage),
        pageState: options.after,
        readTimeout: options.timeoutMs ?? requestTimeoutMs,
      }),
    )
    return { rows: (found.rows ?? []) as unknown as T[], next: found.pageState }
  }

  async *pages<T>(query: string, params: Parameters): AsyncGenerator<readonly T[]> {
    for (let after: string | undefined, more = true; more; ) {
      const { rows, next } = await this.page<T>(query, params, { after })
      yield rows
      after = next ?? undefined
      more = after !== undefined
    }
  }

  async rows<T>(query: string, params: Parameters): Promise<T[]> {
    const all: T[] = []
    for await (const rows of this.pages<T>(query, params)) all.push(...rows)
    return all
  }

  /** Writes in any order; answers when all are kept as the write consistency says. */
  async mutate(mutations: readonly Mutation[]): Promise<void> {
    await concurrently(mutations, mutationsInFlight, (mutation) => this.#mutateOne(mutation))
  }

  async #mutateOne(mutation: Mutation): Promise<void> {
    const consistency = this.#write
    const [first] = mutation
    if (mutation.length === 1)
      await answered(this.#client.execute(first!.query, first!.params as unknown[], { consistency }))
    else if (mutation.length > 1)
      await answered(
        this.#client.batch(mutation as { query: string; params: unknown[] }[], {
          prepare: true,
          logged: false,
          isIdempotent: true,
          consistency,
        }),
      )
  }

  /** Adds to a counter, which is not exact: a repeated request counts twice. */
  async count(query: string, params: Parameters): Promise<void> {
    await answered(
      this.#client.execute(query, params as unknown[], { consistency: this.#write, isIdempotent: false }),
    )
  }

  /** A statement with a condition, by agreement of the replicas: slow, never on the way of points. Answers the row that was in the way, if any. */
  async propose<T>(
    mutation: Mutation,
  ): Promise<{ readonly applied: boolean; readonly current: readonly T[] }> {
    const [first] = mutation
    const options = { consistency: this.#write, isIdempotent: false }
    const found = await answered(
      mutation.length === 1
        ? this.#client.execute(first!.query, first!.params as unknown[], options)
        : this.#client.batch(mutation as { query: string; params: unknown[] }[], {
            ...options,
            prepare: true,
          }),
    )
    return { applied: found.wasApplied(), current: (found.rows ?? []) as unknown as T[] }
  }

  /** Not for ever: the driver's library does not always answer when a node is away. */
  async close(): Promise<void> {
    const late = new AbortController()
    const waited = sleep(closeTimeoutMs, undefined, { signal: late.signal }).catch(() => {})
    const removed = [...this.#removed].map((host) => host.shutdown(false))
    await Promise.race([Promise.allSettled([this.#client.shutdown(), ...removed]), waited])
    late.abort()
  }
}

export interface PageOptions {
  readonly after?: string | undefined
  readonly timeoutMs?: number
  readonly rowsMax?: number | undefined
}

export interface Page<T> {
  readonly rows: readonly T[]
  /** Where the next page goes on; nothing after the last one. */
  readonly next: string | null | undefined
}

async function answered<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw cassandraError(error)
  }
}

/**
 * Without a keyspace, any node: one that is told of a data centre which does not exist goes on trying for ever, even when
 * it is closed.
 */
function loadBalancing(
  { TokenAwarePolicy, DCAwareRoundRobinPolicy, RoundRobinPolicy }: typeof policies.loadBalancing,
  datacenter: string,
  keyspace: string | undefined,
) {
  if (keyspace === undefined) return new RoundRobinPolicy()
  return new TokenAwarePolicy(new DCAwareRoundRobinPolicy(datacenter))
}

function openingError(error: unknown): unknown {
  if (innermost(error as Error).name !== 'AuthenticationError') return cassandraError(error)
  const reason = 'Cassandra refuses the user or the password of its URL'
  return new DroverError('badConfiguration', { reason }, error)
}
