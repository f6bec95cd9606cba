import { readFileSync } from 'node:fs'
import { DroverError } from '@drover/protocol'

export interface RabbitmqQueueOptions {
  /**
   * `amqp://USER:PASSWORD@HOST:PORT,…/VHOST`, or `amqps://…` for TLS. Parameters: `partitions`, `prefetch`, `deliveries`, `name`,
   * and `ca`, the PEM file of the authority that signed the broker's certificate.
   */
  readonly url: string
  /** Bytes that the queues keep together before appends are refused. */
  readonly bytesMax?: number
  /** How long an append waits for the broker's confirmation. */
  readonly confirmTimeoutMs?: number
}

/** What the options say, with what they leave open filled in. */
export interface RabbitmqSettings {
  readonly hosts: readonly string[]
  readonly username: string
  readonly password: string
  readonly vhost: string
  readonly tls: { readonly ca?: Buffer } | undefined
  /** Before the names of all queues. */
  readonly name: string
  readonly partitions: number
  /** Messages of one partition that are on their way or not committed yet. */
  readonly prefetch: number
  /** How often a message is delivered before it is a dead letter. */
  readonly deliveries: number
  readonly bytesMax: number
  readonly confirmTimeoutMs: number
}

const defaults = {
  name: 'drover',
  partitions: 8,
  prefetch: 128,
  deliveries: 20,
  bytesMax: 8 * 2 ** 30,
  confirmTimeoutMs: 10_000,
}
const known = new Set(['partitions', 'prefetch', 'deliveries', 'name', 'ca'])

/** Throws `badConfiguration`, which does not show the password. */
export function rabbitmqSettings({
  url,
  bytesMax,
  confirmTimeoutMs,
}: RabbitmqQueueOptions): RabbitmqSettings {
  // With several hosts it is no URL in the sense of the standard, so they are read apart.
  const [, scheme, user, hosts, rest = ''] = /^(amqps?):\/\/(?:([^/]*)@)?([^/?#]+)(.*)$/.exec(url) ?? []
  if (!scheme || !hosts) throw wrong('it is not of the form amqp://USER:PASSWORD@HOST:PORT/VHOST')
  const { username, password, pathname, searchParams } = parsed(`${scheme}://${user ?? ''}@host${rest}`)
  for (const key of searchParams.keys()) if (!known.has(key)) throw wrong(`there is no parameter ${key}`)
  const whole = (key: 'partitions' | 'prefetch' | 'deliveries', most: number) =>
    wholeNumber(key, searchParams.get(key), most) ?? defaults[key]
  const ca = searchParams.get('ca')
  return {
    hosts: hosts.split(','),
    username: decodeURIComponent(username || 'guest'),
    password: decodeURIComponent(password || 'guest'),
    vhost: decodeURIComponent(pathname.slice(1)) || '/',
    tls: scheme === 'amqps' ? (ca === null ? {} : { ca: certificate(ca) }) : undefined,
    name: searchParams.get('name') ?? defaults.name,
    partitions: whole('partitions', 256),
    prefetch: whole('prefetch', 10_000),
    deliveries: whole('deliveries', 1_000_000),
    bytesMax: bytesMax ?? defaults.bytesMax,
    confirmTimeoutMs: confirmTimeoutMs ?? defaults.confirmTimeoutMs,
  }
}

function parsed(url: string): URL {
  try {
    return new URL(url)
  } catch {
    throw wrong('user and password must be percent-encoded')
  }
}

function wholeNumber(key: string, text: string | null, most: number): number | undefined {
  if (text === null) return undefined
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > most) throw wrong(`${key} must be 1 to ${most}`)
  return value
}

function certificate(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw wrong(`the certificate cannot be read: ${(error as Error).message}`, error)
  }
}

function wrong(reason: string, cause?: unknown): DroverError {
  return new DroverError('badConfiguration', { reason: `the URL of RabbitMQ: ${reason}` }, cause)
}
