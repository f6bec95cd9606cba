import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { settings } from './config/settings.ts'
import { type Configuration, type ConfigurationInput, parseConfiguration } from './config.ts'

interface Given {
  args?: readonly string[]
  env?: ConfigurationInput['env']
  /** Contents by absolute path. */
  files?: Readonly<Record<string, string>>
}

function parse({ args = [], env = {}, files = {} }: Given = {}) {
  return parseConfiguration({ args, env, readFile: (path) => files[path], currentDirectory: '/site' })
}

function configuration(given: Given = {}): Configuration {
  const parsed = parse(given)
  assert.ok(!('help' in parsed))
  return parsed
}

function refusal(given: Given, code: 'badConfiguration' | 'plaintextRefused' = 'badConfiguration'): string {
  let thrown: unknown
  try {
    parse(given)
  } catch (error) {
    thrown = error
  }
  assert.ok(isDroverError(thrown, code), `expected ${code}, got ${thrown}`)
  return thrown.message
}

test('without anything the defaults hold', () => {
  const { httpListener, httpsListener, mqttListener, mqttsListener, dataDirectory, retentionDays } =
    configuration()
  assert.deepEqual(
    { httpListener, httpsListener, mqttListener, mqttsListener, dataDirectory, retentionDays },
    {
      httpListener: { host: '127.0.0.1', port: 8080 },
      httpsListener: { host: '0.0.0.0', port: 8443 },
      mqttListener: { host: '127.0.0.1', port: 1883 },
      mqttsListener: { host: '0.0.0.0', port: 8883 },
      dataDirectory: '/site/data',
      retentionDays: 'forever',
    },
  )
})

test('file, environment and flags take precedence in this order', () => {
  const file = { '/site/drover.yaml': 'gatewayThreads: 2\nstoreThreads: 2\nlogLevel: warn\n' }
  const env = { DROVER_STORE_THREADS: '3', DROVER_LOG_LEVEL: 'error', PATH: '/bin' }
  const { gatewayThreads, storeThreads, logLevel } = configuration({
    files: file,
    env,
    args: ['--log-level', 'debug'],
  })
  assert.deepEqual([gatewayThreads, storeThreads, logLevel], [2, 3, 'debug'])
})

const database = 'postgres://drover@127.0.0.1/drover'
const shared = ['--queue=kafka://127.0.0.1:9092', `--store=${database}`, `--registry=${database}`]

test('a process with some of the roles needs engines that others reach', () => {
  assert.deepEqual(configuration().roles, ['gateway', 'processor', 'api'])
  assert.deepEqual(configuration({ args: [...shared, '--roles', 'api, gateway'] }).roles, ['gateway', 'api'])
  assert.match(refusal({ args: [...shared.slice(0, 2), '--roles=api'] }), /reaches the embedded registry/)
  assert.match(refusal({ args: ['--roles=gatway'] }), /expected some of gateway, processor and api/)
})

test('every setting can be given by file, environment and flag, under the documented names', () => {
  const samples: Record<string, string> = {
    publicName: 'plant.example',
    allowPlaintext: 'true',
    roles: 'gateway',
    queue: 'kafka://127.0.0.1:9092',
    store: 'postgres://drover@127.0.0.1/drover',
    registry: 'postgres://drover@127.0.0.1/drover',
  }
  for (const setting of settings) {
    const value = samples[setting.key] ?? (/Listener$/.test(setting.key) ? 'off' : sampleOf(setting.key))
    const flags = setting.key === 'roles' ? shared : []
    const flag = setting.takesValue ? [setting.flag, value] : [setting.flag]
    const parsed = [
      configuration({ args: [...flags, ...flag] }),
      configuration({ args: flags, env: { [setting.environment]: value } }),
      configuration({ args: flags, files: { '/site/drover.yaml': `${setting.key}: ${value}` } }),
    ].map((one) => one[setting.key])
    assert.notDeepEqual(parsed[0], configuration()[setting.key], setting.key)
    assert.deepEqual(parsed, [parsed[0], parsed[0], parsed[0]], setting.key)
  }
})

function sampleOf(key: string): string {
  if (key === 'dataDirectory') return 'elsewhere'
  if (key === 'logLevel') return 'error'
  if (key === 'logFormat') return 'json'
  return /Bytes/.test(key) ? '999MiB' : /Threads|Days/.test(key) ? '13' : '4321'
}

test('the file may be named by flag or variable, and must then exist', () => {
  const files = { '/etc/drover.yaml': 'retentionDays: 30', '/site/near.yaml': 'retentionDays: 31' }
  assert.equal(configuration({ files, args: ['--config', '/etc/drover.yaml'] }).retentionDays, 30)
  assert.equal(configuration({ files, env: { DROVER_CONFIG: 'near.yaml' } }).retentionDays, 31)
  assert.match(refusal({ args: ['--config=missing.yaml'] }), /no file missing\.yaml/)
})

test('an unknown name is refused with the nearest known one, whatever the source', () => {
  assert.match(refusal({ args: ['--htp', '127.0.0.1:1'] }), /flags: .*--htp, but there is --http\./)
  assert.match(refusal({ env: { DROVER_LOGLEVEL: 'info' } }), /environment: .*there is DROVER_LOG_LEVEL\./)
  assert.match(
    refusal({ files: { '/site/drover.yaml': 'retentionDay: 3' } }),
    /drover\.yaml: .*retentionDay, but there is retentionDays\./,
  )
  assert.match(refusal({ args: ['--frobnicate'] }), /no setting --frobnicate\.$/)
  assert.match(refusal({ args: ['up'] }), /up is not a flag/)
})

test('a wrong value is refused with source, name and what is expected; all of them at once', () => {
  const message = refusal({
    files: { '/site/drover.yaml': 'retentionDays: 0' },
    env: { DROVER_LOG_BYTES_MAX: '8 bushels' },
    args: ['--http', 'localhost'],
  })
  assert.match(message, /drover\.yaml: retentionDays is 0; expected a whole number of days/)
  assert.match(message, /environment: DROVER_LOG_BYTES_MAX is "8 bushels"; expected a size/)
  assert.match(message, /flags: --http is "localhost"; expected HOST:PORT/)
  assert.match(refusal({ args: ['--http'] }), /--http has no value; expected HOST:PORT/)
  assert.match(refusal({ files: { '/site/drover.yaml': 'a: b: c' } }), /drover\.yaml: not YAML/)
  assert.match(refusal({ files: { '/site/drover.yaml': '- 1' } }), /expected lines of/)
})

test('listeners: IPv6, port 0, off; not a port above 65535 or a bare IPv6 address', () => {
  const { httpListener, mqttListener, mqttsListener } = configuration({
    args: ['--http', '[::1]:0', '--mqtt=off', '--mqtts=plant.example:65535'],
  })
  assert.deepEqual(httpListener, { host: '::1', port: 0 })
  assert.equal(mqttListener, 'off')
  assert.deepEqual(mqttsListener, { host: 'plant.example', port: 65_535 })
  for (const wrong of ['127.0.0.1:65536', '::1:80', '[plant]:80', ':80', '127.0.0.1', '127.0.0.1:', 'a b:1'])
    assert.match(refusal({ args: [`--https=${wrong}`] }), /--https is .*expected HOST:PORT/)
})

test('sizes take units', () => {
  const sizes = ['1073741824', '1GiB', '1024 MiB', '1gib'].map(
    (size) => configuration({ env: { DROVER_DISK_RESERVE_BYTES: size } }).diskReserveBytes,
  )
  assert.deepEqual(sizes, Array(4).fill(1024 ** 3))
})

test('engines are chosen by URL', () => {
  const { queue, store, registry } = configuration({
    args: [
      '--queue=kafka://one:9092,two:9092?ssl=true',
      '--store=timescale://drover@db:5432/drover',
      '--registry=embedded',
    ],
  })
  assert.deepEqual(queue, { kind: 'kafka', url: 'kafka://one:9092,two:9092?ssl=true' })
  assert.deepEqual(store, { kind: 'timescale', url: 'timescale://drover@db:5432/drover' })
  assert.deepEqual(registry, { kind: 'embedded' })
  const refused = (...args: string[]) => refusal({ args })
  assert.match(refused('--queue=kafak://one:9092'), /there is no kafak, but there is kafka:\/\//)
  assert.match(
    refused('--store=mysql://db/drover'),
    /--store is .*expected embedded, postgres:.*KEYSPACE\S+ there is no mysql\.$/,
  )
  assert.match(refused('--registry=postgres://'), /expected embedded or postgres:.* there is no host/)
})

test('a password is not shown', () => {
  for (const url of [
    'mysql://me:hunter2@db/a',
    'mysql://me:hun/ter2@db/a?x=1',
    'mysql://db/a?password=hunter2&b=2',
  ])
    assert.doesNotMatch(refusal({ args: [`--store=${url}`] }), /ter2/)
})

test('a secret may be read from a file that a variable names', () => {
  const files = { '/run/secrets/store': 'postgres://me:hunter2@db/drover\n' }
  const env = { DROVER_STORE_FILE: '/run/secrets/store' }
  assert.deepEqual(configuration({ env, files }).store, {
    kind: 'postgres',
    url: 'postgres://me:hunter2@db/drover',
  })
  assert.match(refusal({ env }), /DROVER_STORE_FILE names \/run\/secrets\/store, which is not there/)
  assert.match(refusal({ env: { ...env, DROVER_STORE: 'embedded' }, files }), /give either DROVER_STORE or/)
  assert.match(
    refusal({ env: { DROVER_LOG_LEVEL_FILE: '/run/secrets/store' }, files }),
    /no setting DROVER_LOG_LEVEL_FILE/,
  )
})

test('a listener without TLS on a network address is refused, unless plaintext is allowed', () => {
  for (const host of ['0.0.0.0', '[::]', '192.0.2.7', 'plant.example', '[::ffff:192.0.2.7]']) {
    assert.match(
      refusal({ args: ['--http', `${host}:80`] }, 'plaintextRefused'),
      /^HTTP on .* unencrypted .*--allow-plaintext/,
    )
    assert.match(refusal({ args: ['--mqtt', `${host}:1`] }, 'plaintextRefused'), /^MQTT on/)
    assert.ok(configuration({ args: ['--http', `${host}:80`, '--allow-plaintext'] }).allowPlaintext)
  }
  for (const host of ['127.0.0.1', '127.8.9.10', '[::1]', 'localhost', '[::ffff:127.0.0.1]'])
    assert.ok(configuration({ args: ['--mqtt', `${host}:1`] }))
})

test('variables of the client and of tests, and those that Kubernetes sets for a service called drover, are not settings', () => {
  const env = {
    DROVER_URL: 'https://plant.example',
    DROVER_FAULT_ROUNDS: '3',
    DROVER_SERVICE_HOST: '10.0.0.1',
    DROVER_PORT: 'tcp://10.0.0.1:8080',
    DROVER_PORT_8080_TCP_ADDR: '10.0.0.1',
  }
  assert.deepEqual(configuration({ env }), configuration())
})

test('the configuration is frozen all the way down and can be sent to a thread', () => {
  const frozen = configuration()
  assert.ok(Object.isFrozen(frozen) && Object.isFrozen(frozen.httpListener))
  assert.deepEqual(structuredClone(frozen), frozen)
})

test('--help gives every flag', () => {
  const parsed = parse({ args: ['--help'] })
  assert.ok('help' in parsed)
  for (const { flag } of settings) assert.ok(parsed.help.includes(`  ${flag} `), flag)
})
