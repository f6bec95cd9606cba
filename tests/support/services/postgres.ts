import { execFile } from 'node:child_process'
import { globSync } from 'node:fs'
import { chown, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  freePort,
  privateDirectory,
  type Service,
  startService,
  type User,
  unprivilegedUser,
} from './service.ts'

const execute = promisify(execFile)
const name = 'drover'
const password = 'drover-test'

export interface PostgresOptions {
  /** Settings of the server, as in postgresql.conf. */
  readonly settings?: Readonly<Record<string, string | number>>
}

/**
 * PostgreSQL of the system's package with an empty database, as it would run in production: every commit is synced.
 * Its user may make further databases.
 */
export async function startPostgres({ settings = {} }: PostgresOptions = {}): Promise<Service> {
  const binaries = newestBinaries()
  const user = unprivilegedUser('postgres', 'nobody')
  const directory = await privateDirectory('postgres', user)
  const data = join(directory, 'data')
  await initialise(binaries, directory, data, user)
  const port = await freePort()
  const all = {
    port,
    listen_addresses: "'127.0.0.1'",
    unix_socket_directories: `'${directory}'`,
    max_connections: 50,
    fsync: 'on',
    synchronous_commit: 'on',
    max_wal_size: "'4GB'",
    ...settings,
  }
  const lines = Object.entries(all).map(([key, value]) => `${key} = ${value}\n`)
  await writeFile(join(data, 'postgresql.auto.conf'), lines.join(''))
  const ask = (query: string) => psql(binaries, port, query)
  const service = await startService({
    name: 'PostgreSQL',
    url: `postgres://${name}:${password}@127.0.0.1:${port}/${name}`,
    directory,
    command: [join(binaries, 'postgres'), '-D', data],
    user,
    answers: () => ask('select 1'),
    // Fast shutdown: it does not wait for clients to leave.
    stopSignal: 'SIGINT',
  })
  await ask(`create database ${name}`)
  return service
}

function psql(binaries: string, port: number, query: string) {
  const server = ['-h', '127.0.0.1', '-p', String(port), '-U', name, '-d', 'postgres']
  return execute(join(binaries, 'psql'), ['-X', '-q', ...server, '-c', query], {
    env: { ...process.env, PGPASSWORD: password, PGCONNECT_TIMEOUT: '5' },
    timeout: 10_000,
  })
}

async function initialise(binaries: string, directory: string, data: string, user: User | undefined) {
  const passwordFile = join(directory, 'password')
  await writeFile(passwordFile, password)
  if (user) await chown(passwordFile, user.uid, user.gid)
  const access = ['--username', name, '--pwfile', passwordFile, '--auth', 'scram-sha-256']
  const text = ['--encoding', 'UTF8', '--locale', 'C.UTF-8']
  // The files of an empty cluster need not be synced: a crash of the machine ends the test as well.
  await execute(join(binaries, 'initdb'), ['-D', data, '--no-sync', ...access, ...text], {
    cwd: directory,
    ...user,
  })
}

/** Folder of the programs: Debian keeps one for each version, and none of them in the path. */
function newestBinaries(): string {
  const [newest] = globSync('/usr/lib/postgresql/*/bin/postgres').sort((a, b) =>
    b.localeCompare(a, 'en', { numeric: true }),
  )
  if (newest === undefined) throw new Error('PostgreSQL is not installed: apt-get install postgresql')
  return join(newest, '..')
}
