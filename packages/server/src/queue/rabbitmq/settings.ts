import { readFileSync } from 'node:fs'
import { DroverError } from '@drover/protocol'

export interface RabbitmqQueueOptions {
  /**
   * `amqp://USER:PASSWORD@HOST:PORT,…/VHOST`, or `amqps://…` for TLS. Its parameters are those of `numbers`, `name`, and `ca`,
   * the PEM file of the authority that signed the broker's certificate.
   */
  readonly url: string
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
  /** How often a message is delivered again before it is a dead letter. */
  readonly deliveries: number
  /** Bytes that wait in the queues of all partitions together before appends are refused. */
  readonly bytesMax: number
  readonly confirmTimeoutMs: number
}

/** The parameters that are whole numbers: what they are by default, and at most. */
const numbers = {
  partitions: { byDefault: 8, most: 256 },
  prefetch: { byDefault: 128, most: 10_000 },
  deliveries: { byDefault: 20, most: 1_000_000 },
  bytesMax: { byDefault: 8 * 2 ** 30, most: 2 ** 50 },
}
const known = new Set([...Object.keys(numbers), 'name', 'ca'])
const confirmTimeoutMsDefault = 10_000

/** Throws `badConfiguration`, which does not show the password. */
export function rabbitmqSettings({ url, confirmTimeoutMs }: RabbitmqQueueOptions): RabbitmqSettings {
  // With several hosts it is no URL in the sense of the standard, so they are read apart.
  const [, scheme, user, hosts, rest = ''] = /^(amqps?):\/\/(?:([^/]*)@)?([^/?#]+)(.*)$/.exec(url) ?? []
  if (!scheme || !hosts) throw wrong('it is not of the form amqp://USER:PASSWORD@HOST:PORT/VHOST')
  const { username, password, pathname, searchParams } = parsed(`${scheme}://${user ?? ''}@host${rest}`)
  for (const key of searchParams.keys()) if (!known.has(key)) throw wrong(`there is no parameter ${key}`)
  const whole = (key: keyof typeof numbers) => wholeNumber(key, searchParams.get(key))
  const ca = searchParams.get('ca')
  return {
    hosts: hosts.split(','),
    username: decodeURIComponent(username || 'guest'),
    password: decodeURIComponent(password || 'guest'),
    vhost: decodeURIComponent(pathname.slice(1)) || '/',
    tls: scheme === 'amqps' ? (ca === null ? {} : { ca: certificate(ca) }) : undefined,
    name: searchParams.get('name') ?? 'drover',
    partitions: whole('partitions'),
    prefetch: whole('prefetch'),
    deliveries: whole('deliveries'),
    bytesMax: whole('bytesMax'),
    confirmTimeoutMs: confirmTimeoutMs ?? confirmTimeoutMsDefault,
  }
}

function parsed(url: string): URL {
  try {
    return new URL(url)
  } catch {
    throw wrong('user and password must be percent-encoded')
  }
}

function wholeNumber(key: keyof typeof numbers, text: string | null): number {
  const { byDefault, most } = numbers[key]
  const value = text === null ? byDefault : Number(text)
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
