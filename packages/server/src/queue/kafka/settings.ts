import { readFileSync } from 'node:fs'
import { DroverError } from '@drover/protocol'
import type { BaseOptions, SASLOptions } from '@platformatic/kafka'

export interface KafkaSettings {
  readonly brokers: readonly string[]
  readonly topic: string
  /** Of a topic that has to be made. */
  readonly partitions: number
  /** Of a topic that has to be made; undefined: 3, or as many as there are brokers. */
  readonly replication: number | undefined
  readonly retentionHours: number
  readonly sasl: SASLOptions | undefined
  readonly tls: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer } | undefined
  /** Until the answer to one request, of which there are up to three. */
  readonly requestTimeoutMs: number
}

/** What is given beside the URL. */
export interface KafkaOverrides {
  /** Instead of the one in the URL, and as it is: nothing in it is escaped. */
  readonly password?: string
  /** Default 10 s. */
  readonly requestTimeoutMs?: number
}

const mechanisms = {
  plain: 'PLAIN',
  'scram-sha-256': 'SCRAM-SHA-256',
  'scram-sha-512': 'SCRAM-SHA-512',
} as const

const known = new Set(['ssl', 'sasl', 'ca', 'cert', 'key', 'partitions', 'replication', 'retentionHours'])
const form = /^kafka:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^/?#@]+)(?:\/([^?#]*))?(?:\?(.*))?$/
const topicForm = /^[A-Za-z0-9._-]{1,200}$/

/**
 * Reads `kafka://[user:password@]host:port,host:port[/topic][?…]`; docs/reference/kafka.md says which parameters there are.
 * Throws `badConfiguration`.
 */
export function readSettings(url: string, overrides: KafkaOverrides = {}): KafkaSettings {
  const parts = form.exec(url)
  if (!parts) throw bad('write kafka://host:port,host:port/topic')
  const [, user, inUrl, hosts, topic = '', query = ''] = parts
  const parameters = new URLSearchParams(query)
  for (const name of parameters.keys()) if (!known.has(name)) throw bad(`${name} is not known`)
  const whole = (name: string, fallback: number, max: number) =>
    parameters.has(name) ? wholeNumber(name, parameters.get(name)!, max) : fallback
  const name = topic === '' ? 'drover.messages' : topic
  if (!topicForm.test(name)) throw bad(`${name} is not the name of a topic`)
  return {
    brokers: hosts!.split(',').map(withPort),
    topic: name,
    partitions: whole('partitions', 16, 10_000),
    replication: parameters.has('replication') ? whole('replication', 1, 100) : undefined,
    retentionHours: whole('retentionHours', 168, 24 * 3650),
    sasl: readSasl(parameters, unescaped(user), overrides.password ?? unescaped(inUrl)),
    tls: readTls(parameters),
    requestTimeoutMs: overrides.requestTimeoutMs ?? 10_000,
  }
}

function readSasl(parameters: URLSearchParams, user = '', password = ''): SASLOptions | undefined {
  const name = parameters.get('sasl') ?? (user === '' ? undefined : 'scram-sha-512')
  if (name === undefined) return undefined
  if (!Object.hasOwn(mechanisms, name)) throw bad(`sasl is one of ${Object.keys(mechanisms).join(', ')}`)
  if (user === '' || password === '') throw bad('sasl needs a user and a password')
  const mechanism = mechanisms[name as keyof typeof mechanisms]
  return { mechanism, username: user, password }
}

function unescaped(text = ''): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw bad('write % in the user and the password as %25')
  }
}

function readTls(parameters: URLSearchParams): KafkaSettings['tls'] {
  const names = ['ca', 'cert', 'key'] as const
  const files = names.filter((name) => parameters.has(name))
  const ssl = parameters.get('ssl') ?? (files.length > 0 ? 'true' : 'false')
  if (ssl !== 'true' && ssl !== 'false') throw bad('ssl is true or false')
  if (ssl === 'false' && files.length > 0) throw bad(`${files[0]} needs ssl=true`)
  if (ssl === 'false') return undefined
  return Object.fromEntries(files.map((name) => [name, readPem(name, parameters.get(name)!)]))
}

function readPem(name: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw bad(`${name}: ${(error as Error).message}`)
  }
}

function wholeNumber(name: string, text: string, max: number): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1 || number > max)
    throw bad(`${name} is a whole number from 1 to ${max}`)
  return number
}

function withPort(host: string): string {
  const port = /:(\d{1,5})$/.exec(host)?.[1]
  if (/^:|:$/.test(host) || host === '' || (port !== undefined && Number(port) > 65_535))
    throw bad(`${host} is not host:port`)
  return port === undefined ? `${host}:9092` : host
}

function bad(reason: string): DroverError {
  return new DroverError('badConfiguration', { reason: `the URL of Kafka: ${reason}` })
}

/** Every wait of the client has an end. */
export function clientOptions({ brokers, sasl, tls, requestTimeoutMs }: KafkaSettings): BaseOptions {
  return {
    clientId: 'drover',
    bootstrapBrokers: [...brokers],
    autocreateTopics: false,
    connectTimeout: 5_000,
    requestTimeout: requestTimeoutMs,
    // Until the replicas of a produced batch have it: the broker's answer comes first.
    timeout: requestTimeoutMs * 0.8,
    retries: 2,
    retryDelay: 200,
    ...(sasl && { sasl }),
    ...(tls && { tls }),
  }
}
