import { after } from 'node:test'
import { startCassandra } from '../../../../tests/support/services/cassandra.ts'
import { openCassandraStore } from './cassandra.ts'
import { storeContract } from './store.contract.ts'

const server = await startCassandra({ tables: 'quick' })
after(() => server[Symbol.asyncDispose]())

/** A keyspace for each directory that the contract makes. */
const keyspaces = new Map<string, string>()
function keyspace(directory: string): string {
  const known = keyspaces.get(directory) ?? `store_${keyspaces.size}`
  keyspaces.set(directory, known)
  return known
}

storeContract({
  open: (directory, clock) => openCassandraStore({ url: `${server.url}/${keyspace(directory)}`, clock }),
  upheavals: { nothing: async () => {} },
})
