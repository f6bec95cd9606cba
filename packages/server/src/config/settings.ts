import { availableParallelism, totalmem } from 'node:os'
import { limits } from '@drover/protocol'
import { z } from 'zod'
import { engine } from './engines.ts'
import { bytes, count, listener, someOf, text, yesOrNo } from './values.ts'

/** What a setting is called outside, and how it is explained. */
export interface SettingDescription {
  /** The flag, where it is not the key in kebab case. */
  readonly flag?: string
  /** What stands for the value in the help; empty for a flag without one. */
  readonly placeholder: string
  /** What a value must be, for the error: `expected …`. */
  readonly expects: string
  /** What the setting does. */
  readonly about: string
  /** The default in words, where it depends on the machine or is not a plain value. */
  readonly defaultText?: string
  /** It may hold a password: it is not shown, and can be read from the file that `<environment>_FILE` names. */
  readonly isSecret?: boolean
}

/** The descriptions of the fields of `configurationSchema`. */
export const descriptions = z.registry<SettingDescription>()

const mebibyte = 1024 ** 2
const gibibyte = 1024 ** 3
const tebibyte = 1024 ** 4

const expectsListener = 'HOST:PORT such as 127.0.0.1:1883, [IPV6]:PORT, or off'

const cores = (max: number) => Math.max(1, Math.min(max, availableParallelism()))

/** A quarter of the memory, within 256 MiB and 8 GiB. */
const storeMemoryDefault = () =>
  Math.max(256 * mebibyte, Math.min(8 * gibibyte, Math.floor(totalmem() / 4 / mebibyte) * mebibyte))

const places = {
  dataDirectory: text().default('./data').register(descriptions, {
    flag: 'data',
    placeholder: 'DIR',
    expects: 'a folder',
    about: 'Where everything is kept. Made at the first start.',
  }),
  httpListener: listener().prefault('127.0.0.1:8080').register(descriptions, {
    flag: 'http',
    placeholder: 'HOST:PORT|off',
    expects: expectsListener,
    about: 'API, console and MQTT over WebSocket without TLS. Port 0 takes a free one.',
  }),
  httpsListener: listener().prefault('0.0.0.0:8443').register(descriptions, {
    flag: 'https',
    placeholder: 'HOST:PORT|off',
    expects: expectsListener,
    about: 'The same with TLS.',
  }),
  mqttListener: listener().prefault('127.0.0.1:1883').register(descriptions, {
    flag: 'mqtt',
    placeholder: 'HOST:PORT|off',
    expects: expectsListener,
    about: 'MQTT without TLS.',
  }),
  mqttsListener: listener().prefault('0.0.0.0:8883').register(descriptions, {
    flag: 'mqtts',
    placeholder: 'HOST:PORT|off',
    expects: expectsListener,
    about: 'MQTT with TLS.',
  }),
  publicName: text(253)
    .regex(/^[A-Za-z0-9:]([A-Za-z0-9.:-]*[A-Za-z0-9])?$/)
    .optional()
    .register(descriptions, {
      placeholder: 'NAME',
      expects: 'a host name or an IP address',
      about: 'The name under which others reach this machine; the certificate is made for it too.',
      defaultText: 'none: host name, HOST.local and all interface addresses',
    }),
  allowPlaintext: yesOrNo().default(false).register(descriptions, {
    placeholder: '',
    expects: 'true or false',
    about: 'Let the listeners without TLS listen on other than loopback addresses.',
  }),
}

const engines = {
  queue: engine({ kafka: 'kafka', amqp: 'rabbitmq', amqps: 'rabbitmq' })
    .prefault('embedded')
    .register(descriptions, {
      placeholder: 'embedded|URL',
      expects: 'embedded, kafka://HOST:PORT,… or amqp://USER:PASSWORD@HOST:PORT',
      about: 'What keeps accepted messages until they are stored: the own log, Kafka or RabbitMQ.',
      isSecret: true,
    }),
  store: engine({
    postgres: 'postgres',
    postgresql: 'postgres',
    timescale: 'timescale',
    cassandra: 'cassandra',
  })
    .prefault('embedded')
    .register(descriptions, {
      placeholder: 'embedded|URL',
      expects:
        'embedded, postgres://USER:PASSWORD@HOST:PORT/DATABASE, timescale://… (the same) or cassandra://HOST:PORT,…/KEYSPACE?datacenter=NAME',
      about: 'What keeps time series: the own store, PostgreSQL, TimescaleDB or Cassandra.',
      isSecret: true,
    }),
  registry: engine({ postgres: 'postgres', postgresql: 'postgres' })
    .prefault('embedded')
    .register(descriptions, {
      placeholder: 'embedded|URL',
      expects: 'embedded or postgres://USER:PASSWORD@HOST:PORT/DATABASE',
      about: 'What keeps devices, profiles, keys and the audit log: an own file, or PostgreSQL.',
      isSecret: true,
    }),
}

const roles = ['gateway', 'processor', 'api'] as const

const storage = {
  logBytesMax: bytes(64 * mebibyte, 1024 * tebibyte)
    .default(8 * gibibyte)
    .register(descriptions, {
      placeholder: 'SIZE',
      expects: 'a size from 64MiB, such as 8GiB',
      about:
        'Size of the log of accepted messages; at it, nothing more is accepted until the store has caught up.',
      defaultText: '8GiB',
    }),
  diskReserveBytes: bytes(0, 1024 * tebibyte)
    .default(512 * mebibyte)
    .register(descriptions, {
      placeholder: 'SIZE',
      expects: 'a size such as 512MiB',
      about: 'Free space below which no message is accepted, so that trimming and merging can make room.',
      defaultText: '512MiB',
    }),
  handoffBytesMax: bytes(mebibyte, 64 * gibibyte)
    .default(limits.handoffBytesMax)
    .register(descriptions, {
      placeholder: 'SIZE',
      expects: 'a size from 1MiB to 64GiB',
      about:
        'Messages that the log hands to the store by memory; past it, the store reads them from the log.',
      defaultText: '128MiB',
    }),
  storeMemoryBytes: bytes(128 * mebibyte, 16 * tebibyte)
    .default(storeMemoryDefault)
    .register(descriptions, {
      placeholder: 'SIZE',
      expects: 'a size from 128MiB',
      about: 'Memory that the store may use.',
      defaultText: 'a quarter of the memory, from 256MiB to 8GiB',
    }),
  storeThreads: count(1, 256)
    .default(() => cores(8))
    .register(descriptions, {
      placeholder: 'N',
      expects: 'a whole number from 1 to 256',
      about: 'Threads on which the store runs queries and merges.',
      defaultText: 'the number of cores, at most 8',
    }),
  hotPointsMax: count(1_000, 1_000_000_000).default(3_000_000).register(descriptions, {
    placeholder: 'N',
    expects: 'a whole number from 1000 to 1000000000',
    about: 'Points in the hot table, which becomes a sorted, compressed segment when it is full.',
  }),
  retentionDays: z
    .union([z.literal('forever'), count(1, 36_500)])
    .default('forever')
    .register(descriptions, {
      placeholder: 'N|forever',
      expects: 'a whole number of days from 1 to 36500, or forever',
      about: 'How long points are kept, by their time.',
    }),
  queryTimeoutMs: count(100, 3_600_000).default(limits.queryTimeoutMs).register(descriptions, {
    placeholder: 'MS',
    expects: 'a whole number of milliseconds from 100 to 3600000',
    about: 'How long one query may take.',
  }),
}

const process = {
  roles: someOf(roles).prefault(roles.join(',')).register(descriptions, {
    placeholder: 'ROLE,…',
    expects: 'some of gateway, processor and api, with commas',
    about:
      'What this process does: take in, store, answer. Others do the rest, over the same queue, store and registry, none of them embedded.',
  }),
  gatewayThreads: count(1, 64)
    .default(() => cores(8))
    .register(descriptions, {
      placeholder: 'N',
      expects: 'a whole number from 1 to 64',
      about: 'Threads that serve MQTT connections.',
      defaultText: 'the number of cores, at most 8',
    }),
  stopTimeoutMs: count(100, 600_000).default(8_000).register(descriptions, {
    placeholder: 'MS',
    expects: 'a whole number of milliseconds from 100 to 600000',
    about: 'How long a stop may take before what is left is cut off. Nothing acknowledged is lost by it.',
  }),
  logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info').register(descriptions, {
    placeholder: 'LEVEL',
    expects: 'debug, info, warn, error or silent',
    about: 'What is written to the process log.',
  }),
  logFormat: z.enum(['auto', 'pretty', 'json']).default('auto').register(descriptions, {
    placeholder: 'FORMAT',
    expects: 'auto, pretty or json',
    about: 'The process log for people (`pretty`) or for programs (`json`, one object a line).',
    defaultText: 'auto: pretty on a terminal, json elsewhere',
  }),
}

/** All settings. The key is the name in `drover.yaml`; environment and flag follow from it. */
export const configurationSchema = z.strictObject({ ...places, ...engines, ...storage, ...process })

export type SettingKey = keyof typeof configurationSchema.shape

export interface Setting extends SettingDescription {
  readonly key: SettingKey
  readonly flag: string
  readonly environment: string
  readonly takesValue: boolean
  readonly schema: z.ZodType
}

function setting(key: SettingKey): Setting {
  const schema: z.ZodType = configurationSchema.shape[key]
  const description = descriptions.get(schema)
  if (!description) throw new Error(`The setting ${key} has no description`)
  const words = key.replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`)
  return {
    ...description,
    key,
    flag: `--${description.flag ?? words}`,
    environment: `DROVER_${words.replaceAll('-', '_').toUpperCase()}`,
    takesValue: description.placeholder !== '',
    schema,
  }
}

/** The settings in the order in which they are documented. */
export const settings: readonly Setting[] = Object.keys(configurationSchema.shape).map((key) =>
  setting(key as SettingKey),
)
