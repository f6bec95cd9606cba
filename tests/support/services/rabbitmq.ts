import { randomBytes } from 'node:crypto'
import { globSync } from 'node:fs'
import { chown, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { issueAuthority, issueServer } from '../../../packages/server/src/access/tls/issue.ts'
import {
  freePort,
  portAnswers,
  privateDirectory,
  type Service,
  startService,
  type User,
  unprivilegedUser,
} from './service.ts'

export interface RabbitmqOptions {
  /** Whether clients have to speak TLS; the authority's certificate is at `certificate` then. */
  readonly tls?: boolean
}

export interface Rabbitmq extends Service {
  /** The PEM file of the authority that signed the broker's certificate. */
  readonly certificate: string
}

/** Its only user. */
export const rabbitmqUser = { username: 'drover', password: 'drover-test' } as const

/** RabbitMQ of the system's package: one node, its port mapper on a port of its own, everything on the loopback interface. */
export async function startRabbitmq({ tls = false }: RabbitmqOptions = {}): Promise<Rabbitmq> {
  const home = installation()
  const user = unprivilegedUser('rabbitmq')
  const directory = await privateDirectory('rabbitmq', user)
  const [port, mapperPort, nodePort] = [await freePort(), await freePort(), await freePort()]
  const { username, password } = rabbitmqUser
  const lines = [
    ...(tls ? tlsSettings(directory, port) : [`listeners.tcp.1 = 127.0.0.1:${port}`]),
    `default_user = ${username}`,
    `default_pass = ${password}`,
    'log.console = true',
    'log.console.level = warning',
    'log.file = false',
    'disk_free_limit.absolute = 50MB',
  ]
  const place = { directory, user }
  await write(place, 'rabbitmq.conf', `${lines.join('\n')}\n`)
  await write(place, 'enabled_plugins', '[].\n')
  await write(place, '.erlang.cookie', randomBytes(16).toString('hex'), 0o400)
  if (tls) await writeCertificates(place)
  await mkdir(join(directory, 'mnesia'))
  if (user) await chown(join(directory, 'mnesia'), user.uid, user.gid)
  const service = await startService({
    name: 'RabbitMQ',
    url: `${tls ? 'amqps' : 'amqp'}://${username}:${password}@127.0.0.1:${port}`,
    directory,
    command: [join(home, 'sbin', 'rabbitmq-server')],
    user,
    env: {
      PATH: `${process.env.PATH ?? ''}:/usr/lib/erlang/bin`,
      ERL_EPMD_PORT: String(mapperPort),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_NODENAME: `drover-${port}@localhost`,
      RABBITMQ_DIST_PORT: String(nodePort),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
      RABBITMQ_CONFIG_FILE: join(directory, 'rabbitmq.conf'),
      RABBITMQ_CONF_ENV_FILE: join(directory, 'none.conf'),
      RABBITMQ_ADVANCED_CONFIG_FILE: join(directory, 'none.config'),
      RABBITMQ_MNESIA_BASE: join(directory, 'mnesia'),
      RABBITMQ_LOG_BASE: directory,
      RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'enabled_plugins'),
      RABBITMQ_PID_FILE: join(directory, 'server.pid'),
      // The script replaces itself by the server then, which ends by SIGTERM.
      RUNNING_UNDER_SYSTEMD: 'true',
    },
    // It listens when everything else of it has started.
    answers: () => portAnswers(port),
  })
  return Object.assign(service, { certificate: join(directory, 'ca.pem') })
}

const tlsSettings = (directory: string, port: number) => [
  'listeners.tcp = none',
  `listeners.ssl.1 = 127.0.0.1:${port}`,
  `ssl_options.cacertfile = ${directory}/ca.pem`,
  `ssl_options.certfile = ${directory}/server.pem`,
  `ssl_options.keyfile = ${directory}/server.key`,
]

async function writeCertificates(place: Place): Promise<void> {
  const nowMs = Date.now()
  const authority = await issueAuthority('Test', nowMs)
  const names = { hosts: ['localhost'], addresses: ['127.0.0.1'] }
  const server = await issueServer(authority, names, nowMs)
  await write(place, 'ca.pem', authority.certificatePem)
  await write(place, 'server.pem', server.certificatePem)
  await write(place, 'server.key', server.keyPem)
}

interface Place {
  readonly directory: string
  readonly user: User | undefined
}

async function write({ directory, user }: Place, name: string, text: string, mode = 0o600): Promise<void> {
  const path = join(directory, name)
  await writeFile(path, text, { mode })
  if (user) await chown(path, user.uid, user.gid)
}

/** The folder with the server's own scripts: those in the path of Debian do not leave the system's places. */
function installation(): string {
  const [found] = globSync('/usr/lib/rabbitmq/lib/rabbitmq_server-*')
  if (found === undefined) throw new Error('RabbitMQ is not installed: apt-get install rabbitmq-server')
  return found
}
