import { after, before } from 'node:test'
import { Client } from 'pg'
import { startPostgres } from '../../../../tests/support/services/postgres.ts'
import type { Service } from '../../../../tests/support/services/service.ts'
import { openPostgresRegistry } from './postgres.ts'
import { registryContract } from './registry.contract.ts'

const nowMicros = () => 1_700_000_000_000_000
let service: Service
let databases = 0

before(async () => {
  service = await startPostgres()
})
after(() => service[Symbol.asyncDispose]())

async function ask(url: string, query: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(query)
  } finally {
    await client.end()
  }
}

/** The address of a database with nothing in it. */
async function emptyDatabase(): Promise<string> {
  const name = `registry_${databases++}`
  await ask(service.url, `create database ${name}`)
  const url = new URL(service.url)
  url.pathname = `/${name}`
  return url.href
}

registryContract('registry in PostgreSQL', async () =>
  openPostgresRegistry({ url: await emptyDatabase(), nowMicros }),
)
