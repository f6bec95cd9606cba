import { DroverError } from '@drover/protocol'

/** What `cassandra://[user:password@]host[:port],…/keyspace?…` says. */
export interface CassandraAddress {
  /** host:port */
  readonly contactPoints: readonly string[]
  readonly credentials: { readonly username: string; readonly password: string } | undefined
  readonly keyspace: string
  readonly datacenter: string
  readonly readConsistency: ConsistencyName
  readonly writeConsistency: ConsistencyName
  /** Copies of each row in a keyspace that does not exist yet; by default three, or as many as there are nodes. */
  readonly replication: number | undefined
  /** Hours of points in one partition, in a keyspace that does not exist yet. */
  readonly bucketHours: number
  readonly tls: boolean
  /** The PEM file of the authority that signed the nodes' certificates. */
  readonly ca: string | undefined
}

const consistencies = ['one', 'two', 'three', 'quorum', 'all', 'localQuorum', 'localOne'] as const
export type ConsistencyName = (typeof consistencies)[number]

const parameters = [
  'datacenter',
  'consistency',
  'readConsistency',
  'writeConsistency',
  'replication',
  'bucketHours',
  'ssl',
  'ca',
]
const defaultPort = 9042
const shape = /^cassandra:\/\/(?:([^:@/]*):([^@/]*)@)?([^/?]+)\/([A-Za-z]\w{0,47})(?:\?(.*))?$/

/** Throws `badConfiguration`, which never names the password. */
export function parseCassandraUrl(url: string): CassandraAddress {
  const match = shape.exec(url)
  if (!match)
    throw bad(
      'a Cassandra URL is cassandra://host:port,…/keyspace?datacenter=…, with a keyspace of letters, digits and _',
    )
  const [, username, password, hosts, keyspace, query] = match
  const given = new URLSearchParams(query)
  for (const name of given.keys())
    if (!parameters.includes(name))
      throw bad(`a Cassandra URL has no ${name}; it has ${parameters.join(', ')}`)
  const consistency = level(given, 'consistency', 'localQuorum')
  return {
    contactPoints: hosts!.split(',').map((host) => (/:\d+$/.test(host) ? host : `${host}:${defaultPort}`)),
    credentials:
      username === undefined
        ? undefined
        : { username: decodeURIComponent(username), password: decodeURIComponent(password!) },
    // CQL folds names to lower case.
    keyspace: keyspace!.toLowerCase(),
    datacenter: given.get('datacenter') ?? 'datacenter1',
    readConsistency: level(given, 'readConsistency', consistency),
    writeConsistency: level(given, 'writeConsistency', consistency),
    replication: given.has('replication') ? whole(given, 'replication', 1, 9) : undefined,
    bucketHours: given.has('bucketHours') ? whole(given, 'bucketHours', 1, 8_760) : 168,
    tls: given.get('ssl') === 'true' || given.has('ca'),
    ca: given.get('ca') ?? undefined,
  }
}

function level(given: URLSearchParams, name: string, otherwise: ConsistencyName): ConsistencyName {
  const value = given.get(name)
  if (value === null) return otherwise
  const found = consistencies.find((one) => one === value)
  if (!found) throw bad(`${name} of a Cassandra URL is one of ${consistencies.join(', ')}`)
  return found
}

function whole(given: URLSearchParams, name: string, min: number, max: number): number {
  const value = Number(given.get(name))
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw bad(`${name} of a Cassandra URL is a whole number from ${min} to ${max}`)
}

const bad = (reason: string) => new DroverError('badConfiguration', { reason })
