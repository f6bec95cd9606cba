import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { findJava, mavenLibraries } from './maven.ts'
import { freePort, portAnswers, privateDirectory, type Service, startService } from './service.ts'

const run = promisify(execFile)
const version = '4.3.1'
/** The one that the broker's slf4j-api fits. */
const loggerVersion = '1.7.36'
const javaMajors = [17, 21, 25]
const toolTimeoutMs = 60_000

export interface KafkaOptions {
  /** Whether clients have to name themselves: user `app`, password `app-secret`, by PLAIN and SCRAM. */
  readonly sasl?: boolean
  /** Whether clients have to speak TLS; the certificate is at `certificate` then. */
  readonly tls?: boolean
}

export interface Kafka extends Service {
  /** host:port */
  readonly address: string
  /** The PEM file of the authority that signed the broker's certificate. */
  readonly certificate: string
}

export const kafkaUser = { username: 'app', password: 'app-secret' } as const

interface Place {
  readonly directory: string
  readonly libraries: string
  readonly java: string
  readonly port: number
  readonly controllerPort: number
}

/** One Apache Kafka broker, which is its own controller, on the loopback interface. Needs Maven once, and Java 17 or later. */
export async function startKafka(options: KafkaOptions = {}): Promise<Kafka> {
  const java = await findJava(javaMajors)
  const libraries = await mavenLibraries(`kafka-${version}`, [
    `org.apache.kafka:kafka_2.13:${version}`,
    `org.slf4j:slf4j-simple:${loggerVersion}`,
  ])
  const directory = await privateDirectory('kafka')
  const place = { directory, libraries, java, port: await freePort(), controllerPort: await freePort() }
  await format(place, options)
  const address = `127.0.0.1:${place.port}`
  const certificate = join(directory, 'ca.pem')
  const service = await startService({
    name: 'Kafka',
    url: `kafka://${address}`,
    directory,
    command: [java, ...javaOptions(directory), '-cp', `${libraries}/*`, 'kafka.Kafka', 'server.properties'],
    // The broker binds its port only after it has joined the cluster.
    answers: () => portAnswers(place.port),
  })
  return Object.assign(service, { address, certificate })
}

const javaOptions = (directory: string) => [
  '-Xms256m',
  '-Xmx256m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-XX:+ExitOnOutOfMemoryError',
  '-XX:-UsePerfData',
  `-Djava.io.tmpdir=${directory}`,
  '-Djava.net.preferIPv4Stack=true',
  '-Djava.awt.headless=true',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
]

async function format(place: Place, options: KafkaOptions): Promise<void> {
  const { directory, java } = place
  if (options.tls) await makeCertificate(place)
  await writeFile(join(directory, 'server.properties'), properties(place, options))
  const id = randomBytes(16).toString('base64url')
  const { username, password } = kafkaUser
  const scram = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
    '--add-scram',
    `${mechanism}=[name=${username},password=${password}]`,
  ])
  const tool = ['-cp', `${place.libraries}/*`, 'kafka.tools.StorageTool', 'format', '--standalone']
  await run(java, ['-XX:TieredStopAtLevel=1', ...tool, '-t', id, '-c', 'server.properties', ...scram], {
    cwd: directory,
    timeout: toolTimeoutMs,
  })
}

function properties({ directory, port, controllerPort }: Place, { sasl, tls }: KafkaOptions): string {
  const security = `${sasl ? 'SASL_' : ''}${tls ? 'SSL' : 'PLAINTEXT'}`
  const listeners = `CLIENT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`
  const one = ['offsets.topic', 'transaction.state.log', 'share.coordinator.state.topic']
  const module = 'org.apache.kafka.common.security'
  const { username, password } = kafkaUser
  return [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.bootstrap.servers=127.0.0.1:${controllerPort}`,
    `listeners=${listeners}`,
    `advertised.listeners=${listeners}`,
    `listener.security.protocol.map=CLIENT:${security},CONTROLLER:PLAINTEXT`,
    'controller.listener.names=CONTROLLER',
    'inter.broker.listener.name=CLIENT',
    `log.dirs=${directory}/data`,
    'auto.create.topics.enable=false',
    'num.network.threads=2',
    'num.io.threads=2',
    'background.threads=2',
    'log.cleaner.dedupe.buffer.size=16777216',
    'broker.session.timeout.ms=4000',
    'broker.heartbeat.interval.ms=500',
    'group.consumer.session.timeout.ms=6000',
    'group.consumer.min.session.timeout.ms=2000',
    'group.consumer.heartbeat.interval.ms=500',
    'group.consumer.min.heartbeat.interval.ms=200',
    ...one.map((name) => `${name}.num.partitions=1`),
    'offsets.topic.replication.factor=1',
    'transaction.state.log.replication.factor=1',
    'transaction.state.log.min.isr=1',
    'share.coordinator.state.topic.replication.factor=1',
    'share.coordinator.state.topic.min.isr=1',
    ...(sasl
      ? [
          'sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512,PLAIN',
          'sasl.mechanism.inter.broker.protocol=PLAIN',
          `listener.name.client.scram-sha-256.sasl.jaas.config=${module}.scram.ScramLoginModule required;`,
          `listener.name.client.scram-sha-512.sasl.jaas.config=${module}.scram.ScramLoginModule required;`,
          `listener.name.client.plain.sasl.jaas.config=${module}.plain.PlainLoginModule required username="${username}" password="${password}" user_${username}="${password}";`,
        ]
      : []),
    ...(tls
      ? [
          'ssl.keystore.type=PKCS12',
          `ssl.keystore.location=${directory}/server.p12`,
          'ssl.keystore.password=changeit',
          'ssl.key.password=changeit',
          'ssl.truststore.type=PEM',
          `ssl.truststore.location=${directory}/ca.pem`,
        ]
      : []),
    '',
  ].join('\n')
}

async function makeCertificate({ directory, java }: Place): Promise<void> {
  const keytool = join(dirname(java), 'keytool')
  const store = ['-alias', 'server', '-storepass', 'changeit', '-keystore', 'server.p12']
  const names = ['-ext', 'SAN=dns:localhost,ip:127.0.0.1', '-ext', 'bc:c=ca:true']
  const key = ['-keyalg', 'EC', '-groupname', 'secp256r1', '-dname', 'CN=localhost', '-storetype', 'PKCS12']
  const where = { cwd: directory, timeout: toolTimeoutMs }
  await run(keytool, ['-genkeypair', ...store, ...names, ...key, '-validity', '30'], where)
  await run(keytool, ['-exportcert', '-rfc', ...store, '-file', 'ca.pem'], where)
}
