import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { findJava, mavenLibraries } from './maven.ts'
import { freePort, privateDirectory, type Service, startService } from './service.ts'

const version = '5.0.9'
/** Cassandra 5.0 runs on these. */
const javaMajors = [17, 11]

export interface CassandraOptions {
  /** `quick`: they are made several times faster, and gone after `kill`. */
  readonly tables?: 'kept' | 'quick'
}

export interface Cassandra extends Service {
  /** host:port */
  readonly address: string
}

/**
 * One Apache Cassandra node on the loopback interface, whose data centre is `datacenter1`. Its URL names no keyspace:
 * append `/name`. Needs Maven once, and Java 17 or 11.
 */
export async function startCassandra({ tables = 'kept' }: CassandraOptions = {}): Promise<Cassandra> {
  const java = await findJava(javaMajors)
  const libraries = await mavenLibraries(`cassandra-${version}`, [
    `org.apache.cassandra:cassandra-all:${version}`,
  ])
  const directory = await privateDirectory('cassandra')
  const port = await freePort()
  await configure(directory, port, await freePort())
  const address = `127.0.0.1:${port}`
  const service = await startService({
    name: 'Cassandra',
    url: `cassandra://${address}`,
    directory,
    command: [
      // What root may lock in memory, Cassandra would pin.
      ...(process.getuid?.() === 0
        ? (['setpriv', '--bounding-set=-ipc_lock', java] as const)
        : ([java] as const)),
      ...javaOptions(directory, libraries),
      ...(tables === 'quick' ? ['-Dcassandra.unsafesystem=true'] : []),
      '-cp',
      `${libraries}/*`,
      'org.apache.cassandra.service.CassandraDaemon',
    ],
    answers: () => cqlAnswers(port),
  })
  return Object.assign(service, { address })
}

/** Rejects unless the port answers OPTIONS of the native protocol. */
async function cqlAnswers(port: number): Promise<void> {
  const socket = createConnection({ host: '127.0.0.1', port })
  try {
    socket.write(Uint8Array.of(4, 0, 0, 0, 5, 0, 0, 0, 0))
    const [answer] = (await once(socket, 'data', { signal: AbortSignal.timeout(2_000) })) as [Buffer]
    if ((answer[0]! & 0x80) === 0) throw new Error('The port answers, but not as Cassandra does.')
  } finally {
    socket.destroy()
  }
}

async function configure(directory: string, port: number, storagePort: number): Promise<void> {
  await mkdir(join(directory, 'conf', 'triggers'), { recursive: true })
  for (const name of ['data', 'logs', 'tmp']) await mkdir(join(directory, name))
  await writeFile(join(directory, 'conf', 'cassandra.yaml'), settings(directory, port, storagePort))
  await writeFile(join(directory, 'conf', 'logback.xml'), logback)
}

/** Acknowledged writes are on the disk; as each waits there for its thread, there are many of those. */
const settings = (directory: string, port: number, storagePort: number) => `cluster_name: local
num_tokens: 1
initial_token: 0
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
dynamic_snitch: false
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters: [{seeds: "127.0.0.1:${storagePort}"}]
listen_address: 127.0.0.1
storage_port: ${storagePort}
ssl_storage_port: ${storagePort}
rpc_address: 127.0.0.1
start_native_transport: true
native_transport_port: ${port}
authenticator: AllowAllAuthenticator
authorizer: AllowAllAuthorizer
role_manager: CassandraRoleManager
data_file_directories: ["${directory}/data/data"]
commitlog_directory: "${directory}/data/commitlog"
cdc_raw_directory: "${directory}/data/cdc_raw"
hints_directory: "${directory}/data/hints"
saved_caches_directory: "${directory}/data/saved_caches"
commitlog_sync: group
commitlog_sync_group_window: 5ms
commitlog_segment_size: 8MiB
memtable_heap_space: 64MiB
memtable_offheap_space: 64MiB
file_cache_size: 32MiB
key_cache_size: 8MiB
counter_cache_size: 2MiB
concurrent_reads: 8
concurrent_writes: 128
concurrent_counter_writes: 4
concurrent_compactors: 1
auto_snapshot: false
hinted_handoff_enabled: false
`

const logback = `<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{ISO8601} %-5level %logger{20} - %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="OUT"/></root>
</configuration>
`

function javaOptions(directory: string, libraries: string): string[] {
  const agent = readdirSync(libraries).find((name) => /^jamm-.*\.jar$/.test(name))
  return [
    `-javaagent:${join(libraries, agent ?? 'jamm.jar')}`,
    '-Xms64m',
    '-Xmx512m',
    '-XX:MaxDirectMemorySize=256m',
    '-Xss256k',
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    '-XX:+ExitOnOutOfMemoryError',
    '-XX:-UsePerfData',
    ...exported.map((name) => `--add-exports=${name}=ALL-UNNAMED`),
    ...opened.map((name) => `--add-opens=${name}=ALL-UNNAMED`),
    '-Djdk.attach.allowAttachSelf=true',
    '-Dio.netty.tryReflectionSetAccessible=true',
    `-Djava.io.tmpdir=${directory}/tmp`,
    `-Djna.tmpdir=${directory}/tmp`,
    '-Djava.net.preferIPv4Stack=true',
    '-Djava.awt.headless=true',
    '-Dcassandra-foreground=yes',
    `-Dcassandra.config=file://${directory}/conf/cassandra.yaml`,
    `-Dcassandra.storagedir=${directory}/data`,
    `-Dcassandra.logdir=${directory}/logs`,
    `-Dcassandra.triggers_dir=${directory}/conf/triggers`,
    `-Dlogback.configurationFile=${directory}/conf/logback.xml`,
    '-Dcassandra.skip_wait_for_gossip_to_settle=0',
    '-Dcassandra.ring_delay_ms=0',
    '-Dcassandra.shutdown_announce_in_ms=0',
    '-Dcassandra.superuser_setup_delay_ms=0',
    '-Dcassandra.load_ring_state=false',
    '-Dcassandra.disable_auth_caches_remote_configuration=true',
  ]
}

/** What Cassandra reaches of Java's modules. */
const exported = [
  'java.base/jdk.internal.misc',
  'java.base/java.lang.ref',
  'java.base/sun.nio.ch',
  'java.management.rmi/com.sun.jmx.remote.internal.rmi',
  'java.rmi/sun.rmi.registry',
  'java.rmi/sun.rmi.server',
  'java.rmi/sun.rmi.transport.tcp',
  'java.sql/java.sql',
  'jdk.unsupported/sun.misc',
  'jdk.compiler/com.sun.tools.javac.file',
  'jdk.attach/sun.tools.attach',
]

const opened = [
  'java.base/java.io',
  'java.base/java.lang',
  'java.base/java.lang.module',
  'java.base/java.lang.reflect',
  'java.base/java.nio',
  'java.base/java.util',
  'java.base/jdk.internal.loader',
  'java.base/jdk.internal.math',
  'java.base/jdk.internal.misc',
  'java.base/jdk.internal.module',
  'java.base/jdk.internal.ref',
  'java.base/jdk.internal.reflect',
  'java.base/jdk.internal.util.jar',
  'java.base/sun.nio.ch',
  'jdk.compiler/com.sun.tools.javac',
  'jdk.management/com.sun.management.internal',
]
