import { isDroverError } from '@drover/protocol'
import { withoutPassword } from './config/engines.ts'
import { isLoopback } from './config/values.ts'
import type { Configuration } from './config.ts'
import { openEngines } from './migrate.ts'

interface Server {
  readonly setting: 'queue' | 'store' | 'registry'
  readonly kind: string
  readonly url: string
}

/** What somebody should know of these settings before relying on them, each in a sentence; nothing is a good sign. */
export async function examine(configuration: Configuration): Promise<readonly string[]> {
  const warnings = [...matchOf(configuration), ...serversOf(configuration).flatMap(unsafeUrl)]
  await openEngines(configuration, (warning) => warnings.push(warning)).catch((error: unknown) =>
    warnings.push(isDroverError(error) ? error.message : String(error)),
  )
  for (const { setting, kind, url } of serversOf(configuration))
    if (kind === 'postgres' || kind === 'timescale')
      warnings.push(...(await unsafePostgres(setting, url).catch(() => [])))
  return warnings
}

function serversOf(configuration: Configuration): Server[] {
  return (['queue', 'store', 'registry'] as const).flatMap((setting) => {
    const engine = configuration[setting]
    return engine.kind === 'embedded' ? [] : [{ setting, ...engine }]
  })
}

/** Engines that do not go together well. */
function matchOf({ queue, store, registry }: Configuration): string[] {
  const warnings: string[] = []
  if (queue.kind !== 'embedded' && store.kind === 'embedded')
    warnings.push(
      `The queue is ${queue.kind}, but the store is a folder of one process: it cannot be shared. Choose a store too.`,
    )
  if (queue.kind === 'embedded' && store.kind === 'cassandra')
    warnings.push('Cassandra is for more than one machine, but the queue is a file of this one.')
  if (queue.kind !== 'embedded' && store.kind !== 'embedded' && registry.kind === 'embedded')
    warnings.push('The registry is a file: no second process can share it. Choose one in PostgreSQL.')
  if (queue.kind === 'rabbitmq' && store.kind === 'cassandra')
    warnings.push('Neither RabbitMQ nor Cassandra keeps positions: after a failure, more is processed again.')
  return warnings
}

const tlsOf = /[?&](ssl=true|sslmode=(require|verify-ca|verify-full))(&|$)/
const defaultPasswords = new Set(['guest', 'postgres', 'cassandra', 'password', 'admin', 'changeit'])

function unsafeUrl({ setting, kind, url }: Server): string[] {
  const [, scheme, userinfo, hosts = ''] = /^([^:]+):\/\/(?:(.*)@)?([^/?#]*)/.exec(url) ?? []
  const at = `The ${setting} (${withoutPassword(url)})`
  const warnings: string[] = []
  const isRemote = hosts
    .split(',')
    .some((host) => !isLoopback(host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')))
  const [user = '', password] = userinfo?.split(':') ?? []
  if (isRemote && scheme !== 'amqps' && !tlsOf.test(url))
    warnings.push(`${at} is reached over the network without TLS: what devices send can be read there.`)
  if (isRemote && password === undefined && !/[?&]cert=/.test(url))
    warnings.push(`${at} is reached over the network without a password.`)
  if (password !== undefined && (password === user || defaultPasswords.has(password)))
    warnings.push(`${at} has a default password. Change it.`)
  if (/[?&]replication=1(&|$)/.test(url))
    warnings.push(`${at} keeps one copy only: with its ${kind === 'kafka' ? 'broker' : 'node'} all is lost.`)
  return warnings
}

/** Settings of the server with which a power cut loses what it has confirmed. */
async function unsafePostgres(setting: string, url: string): Promise<string[]> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({
    connectionString: url.replace(/^timescale:/, 'postgres:'),
    connectionTimeoutMillis: 5_000,
    query_timeout: 5_000,
  })
  client.on('error', () => {})
  await client.connect()
  try {
    const { rows } = await client.query<{ name: string }>(
      `SELECT name FROM pg_settings WHERE setting = 'off' AND name IN ('fsync', 'full_page_writes', 'synchronous_commit')`,
    )
    return rows.map(
      ({ name }) => `The ${setting}'s PostgreSQL has ${name} off: a power cut loses what it has confirmed.`,
    )
  } finally {
    await client.end()
  }
}
