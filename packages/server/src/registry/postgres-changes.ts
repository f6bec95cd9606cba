import { randomUUID } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import { Client, type ClientConfig, type Notification } from 'pg'
import { retry } from '../runtime/retry.ts'
import type { RegistryChange } from './changes.ts'
import { asDroverError } from './postgres-pool.ts'
import type { Tables } from './tables.ts'

const channel = 'drover_registry'
/** A notification takes 8,000 bytes; a change is an identifier or two. */
const changesPerNotification = 16
/** Whether the connection still carries anything is asked this often. */
const heartbeatPeriodMs = 5_000
const heartbeatTimeoutMs = 4_000
const reconnectFirstDelayMs = 100
const reconnectDelayMsMax = 5_000

interface Announcement {
  /** Which feed sent it. */
  readonly from: string
  readonly changes: readonly RegistryChange[]
}

/**
 * What other processes change in the registry, by LISTEN and NOTIFY on a connection of its own. When that was lost, it
 * is opened again until that succeeds, and `tell` hears of a `missed` change.
 */
export class PostgresChanges {
  readonly #config: ClientConfig
  readonly #tell: (changes: readonly RegistryChange[]) => void
  readonly #id = randomUUID()
  readonly #closed = new AbortController()
  #client: Client | undefined
  #heartbeat: NodeJS.Timeout | undefined

  constructor(config: ClientConfig, tell: (changes: readonly RegistryChange[]) => void) {
    this.#config = { ...config, query_timeout: heartbeatTimeoutMs }
    this.#tell = tell
  }

  /** False from the moment the connection is known to be lost until it is there again. */
  get isListening(): boolean {
    return this.#client !== undefined
  }

  /** Rejects with `registryUnavailable`. */
  async open(): Promise<void> {
    await this.#connect()
    this.#heartbeat = setInterval(() => this.#check(), heartbeatPeriodMs).unref()
  }

  /** Others hear of these changes when the transaction is committed, in the order of commits. */
  async announce(transaction: Kysely<Tables>, changes: readonly RegistryChange[]): Promise<void> {
    for (let at = 0; at < changes.length; at += changesPerNotification) {
      const announcement: Announcement = {
        from: this.#id,
        changes: changes.slice(at, at + changesPerNotification),
      }
      await sql`select pg_notify(${channel}, ${JSON.stringify(announcement)})`.execute(transaction)
    }
  }

  async close(): Promise<void> {
    this.#closed.abort()
    clearInterval(this.#heartbeat)
    const client = this.#client
    this.#client = undefined
    await client?.end()
  }

  async #connect(): Promise<void> {
    const client = new Client(this.#config)
    client.on('notification', (notification) => this.#hear(notification))
    client.on('error', () => this.#lost(client))
    client.on('end', () => this.#lost(client))
    try {
      await client.connect()
      await client.query(`listen ${channel}`)
    } catch (error) {
      client.end().catch(() => {})
      throw asDroverError(error as Error)
    }
    if (this.#closed.signal.aborted) await client.end()
    else this.#client = client
  }

  #hear({ payload = '' }: Notification): void {
    const { from, changes } = JSON.parse(payload) as Announcement
    // Who made a change has told of it when it was committed.
    if (from !== this.#id) this.#tell(changes)
  }

  /** A cut network closes nothing. */
  #check(): void {
    const client = this.#client
    client?.query('select 1').catch(() => this.#lost(client))
  }

  #lost(client: Client): void {
    if (client !== this.#client) return
    this.#client = undefined
    client.end().catch(() => {})
    void this.#reconnect()
  }

  async #reconnect(): Promise<void> {
    const { signal } = this.#closed
    const waits = { firstDelayMs: reconnectFirstDelayMs, delayMsMax: reconnectDelayMsMax, signal }
    const retryable = () => !signal.aborted
    try {
      await retry(() => this.#connect(), { ...waits, retryable, attemptsMax: Number.POSITIVE_INFINITY })
    } catch {
      return
    }
    this.#tell([{ kind: 'missed' }])
  }
}
