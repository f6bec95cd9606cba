import type { Kysely, Transaction } from 'kysely'
import { type ChangeListeners, noticingChanges, type RegistryChange } from './changes.ts'
import type { RegistryTables } from './registry.ts'
import type { Tables } from './tables.ts'

/** What an engine that several processes write does beside the work of a transaction. */
export interface TransactionSteps {
  /** At its beginning: answers when no other process is in a transaction. */
  readonly begin?: (transaction: Transaction<Tables>) => Promise<void>
  /** At its end: other processes hear of these changes if it is committed. */
  readonly announce?: (transaction: Transaction<Tables>, changes: readonly RegistryChange[]) => Promise<void>
}

export interface TransactionOptions extends TransactionSteps {
  readonly db: Kysely<Tables>
  readonly tablesOf: (db: Kysely<Tables>) => RegistryTables
  readonly listeners: ChangeListeners
}

export type Work<T> = (tables: RegistryTables) => Promise<T>

/**
 * Transactions one after another, so that what was read in one is still true when it writes. Waiting ones hold no
 * connection.
 */
export class Transactions {
  readonly #options: TransactionOptions
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: TransactionOptions) {
    this.#options = options
  }

  run<T>(work: Work<T>): Promise<T> {
    const turn = this.#last.then(() => this.#execute(work))
    this.#last = turn.catch(() => {})
    return turn
  }

  /** What is kept of changed things is forgotten before the caller is answered. */
  async #execute<T>(work: Work<T>): Promise<T> {
    const { db, tablesOf, listeners, begin, announce } = this.#options
    const changes: RegistryChange[] = []
    let done = false
    try {
      return await db.transaction().execute(async (transaction) => {
        await begin?.(transaction)
        const result = await work(noticingChanges(tablesOf(transaction), (change) => changes.push(change)))
        if (changes.length > 0) await announce?.(transaction, changes)
        done = true
        return result
      })
    } finally {
      // Also when the commit has failed: nobody knows whether it was carried out.
      if (done) listeners.tell(changes)
    }
  }
}

/** The same tables; each change is a transaction of its own. */
export function changingInTransactions(
  tables: RegistryTables,
  run: <T>(work: Work<T>) => Promise<T>,
): RegistryTables {
  return {
    ...tables,
    devices: {
      ...tables.devices,
      insert: (...args) => run(({ devices }) => devices.insert(...args)),
      update: (...args) => run(({ devices }) => devices.update(...args)),
      delete: (...args) => run(({ devices }) => devices.delete(...args)),
    },
    profiles: {
      ...tables.profiles,
      insert: (...args) => run(({ profiles }) => profiles.insert(...args)),
      update: (...args) => run(({ profiles }) => profiles.update(...args)),
      delete: (...args) => run(({ profiles }) => profiles.delete(...args)),
    },
    tokens: {
      ...tables.tokens,
      revoke: (...args) => run(({ tokens }) => tokens.revoke(...args)),
    },
  }
}
