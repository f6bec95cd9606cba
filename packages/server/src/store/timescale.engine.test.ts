import { createHash } from 'node:crypto'
import { after } from 'node:test'
import { startTimescaleWasm } from '../../../../tests/support/services/timescale-wasm.ts'
import type { PostgresStore } from './postgres.ts'
import { storeContract } from './store.contract.ts'
import type { Store } from './store.ts'
import { openTimescaleStore } from './timescale.ts'

const server = await startTimescaleWasm()
after(() => server[Symbol.asyncDispose]())

const schemaOf = (directory: string) =>
  `s_${createHash('sha256').update(directory).digest('hex').slice(0, 16)}`
const timescale = (store: Store) => store as PostgresStore

storeContract({
  // The server in WebAssembly takes no COPY, and one transaction at a time.
  open: (directory, clock) =>
    openTimescaleStore({
      url: server.url,
      schema: schemaOf(directory),
      clock,
      maintenance: 'asked',
      copies: false,
      oneTransaction: true,
    }),
  upheavals: {
    nothing: async () => {},
    tidying: (store) => timescale(store).tidy(),
  },
})
