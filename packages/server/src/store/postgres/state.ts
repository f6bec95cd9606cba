import { limits } from '@drover/protocol'
import { micros } from '../micros.ts'
import { Mutex } from '../mutex.ts'
import { DurableListeners } from '../position.ts'
import { Database, quoted } from './database.ts'
import { Marks } from './marks.ts'
import { NativePartitions, type Partitions } from './partitions.ts'
import { prepareSchema } from './schema.ts'

export interface PostgresStoreOptions {
  /** `postgres://user:password@host:port/database`, with `?sslmode=…` as libpq has it. */
  readonly url: string
  /** Holds all tables; made if it is not there. */
  readonly schema?: string
  /** Length of one partition of points; of a store that exists it must stay the same. */
  readonly partitionDays?: number
  /** For queries; writes have theirs besides. */
  readonly readConnections?: number
  readonly queriesWaitingMax?: number
  readonly queryTimeoutMs?: number
  readonly writeTimeoutMs?: number
  /** Whether the server takes COPY; one that does not gets the slower INSERT. */
  readonly copies?: boolean
  /** Whether the server is one that serves a single transaction at a time, so that all has to wait for one connection. */
  readonly oneTransaction?: boolean
  /** The wall clock, ms since 1970. */
  readonly clock?: () => number
  /** Whether sums are made and what is deleted is removed by itself, or only when asked. */
  readonly maintenance?: 'automatic' | 'asked'
  /** Told of what failed in the background; it is tried again. */
  readonly onError?: (error: unknown) => void
}

const defaults = {
  schema: 'drover',
  partitionDays: 7,
  readConnections: 4,
  queriesWaitingMax: limits.queriesWaitingMax,
  queryTimeoutMs: limits.queryTimeoutMs,
  writeTimeoutMs: 60_000,
  copies: true,
  oneTransaction: false,
  clock: Date.now,
  maintenance: 'automatic',
  onError: () => {},
} as const satisfies Omit<Required<PostgresStoreOptions>, 'url'>

/** One writes, one answers what the writer asks. */
const writeConnections = 2
/** One holds the claim, one works. */
const tidyConnections = 2
/** For one step of tidying up. */
const tidyTimeoutMs = 600_000

/** What an open store holds. */
export interface StoreState {
  readonly options: Readonly<Required<PostgresStoreOptions>>
  /** Quoted, as SQL takes it. */
  readonly schema: string
  readonly writing: Database
  readonly reading: Database
  readonly tidying: Database
  readonly partitions: Partitions
  readonly marks: Marks
  /** Held by whoever writes. */
  readonly lock: Mutex
  readonly durable: DurableListeners
}

export type PartitionsOf = (database: Database, schema: string, days: number) => Partitions

export async function openState(
  given: PostgresStoreOptions,
  partitionsOf: PartitionsOf = (...args) => new NativePartitions(...args),
): Promise<StoreState> {
  const options = { ...defaults, ...given }
  const schema = quoted(options.schema)
  const { url, queriesWaitingMax: waitingMax } = options
  const writing = new Database({
    url,
    connections: options.oneTransaction ? 1 : writeConnections,
    waitingMax,
    timeoutMs: options.writeTimeoutMs,
  })
  const partitions = partitionsOf(writing, schema, options.partitionDays)
  try {
    await prepareSchema(writing, schema, partitions)
  } catch (error) {
    await writing.close()
    throw error
  }
  const own = (connections: number, timeoutMs: number) =>
    options.oneTransaction ? writing : new Database({ url, connections, waitingMax, timeoutMs })
  return {
    options,
    schema,
    writing,
    reading: own(options.readConnections, options.queryTimeoutMs),
    tidying: own(tidyConnections, tidyTimeoutMs),
    partitions,
    marks: new Marks(),
    lock: new Mutex(),
    durable: new DurableListeners(),
  }
}

export async function closeState({ writing, reading, tidying, lock }: StoreState): Promise<void> {
  if (reading !== writing) reading.abort()
  await lock.run(() =>
    Promise.all([...new Set([writing, reading, tidying])].map((database) => database.close())),
  )
}

export function nowMicros({ options }: StoreState): number {
  return micros(options.clock())
}
