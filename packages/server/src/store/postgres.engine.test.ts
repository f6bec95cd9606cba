import { createHash } from 'node:crypto'
import { after } from 'node:test'
import { startPostgres } from '../../../../tests/support/services/postgres.ts'
import { openPostgresStore, type PostgresStore } from './postgres.ts'
import { storeContract } from './store.contract.ts'
import type { Store } from './store.ts'

const server = await startPostgres()
after(() => server[Symbol.asyncDispose]())

/** Each directory of a test has a schema of its own. */
const schemaOf = (directory: string) =>
  `s_${createHash('sha256').update(directory).digest('hex').slice(0, 16)}`
const postgres = (store: Store) => store as PostgresStore

storeContract({
  open: (directory, clock) =>
    openPostgresStore({ url: server.url, schema: schemaOf(directory), clock, maintenance: 'asked' }),
  upheavals: {
    nothing: async () => {},
    tidying: (store) => postgres(store).tidy(),
  },
})
