import { resolve } from 'node:path'
import { DroverError } from '@drover/protocol'
import type { z } from 'zod'
import { withoutPassword } from './config/engines.ts'
import { helpText } from './config/help.ts'
import { configurationSchema, type Setting, type SettingKey, settings } from './config/settings.ts'
import { badConfiguration, fromEnvironment, fromFile, fromFlags, type Source } from './config/sources.ts'
import { formatListener, isLoopback } from './config/values.ts'

export { formatListener, type ListenerAddress } from './config/values.ts'

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T

/** Every setting, with its unit in its name, checked and frozen. A plain object: it can be sent to threads. */
export type Configuration = DeepReadonly<z.output<typeof configurationSchema>>

export interface ConfigurationInput {
  /** The command line after `drover up`. */
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** The text of a file, or undefined if there is none. */
  readonly readFile: (path: string) => string | undefined
  /** What relative paths start from; the process's own folder by default. */
  readonly currentDirectory?: string
}

const defaultFile = 'drover.yaml'

/**
 * The configuration from, in rising precedence: defaults, `drover.yaml` (or the file that `--config` or DROVER_CONFIG
 * names), `DROVER_*`, flags. Throws `badConfiguration`, naming the source, the setting and what is expected of it,
 * or `plaintextRefused`. With `--help` it answers the help text.
 */
export function parseConfiguration(input: ConfigurationInput): Configuration | { readonly help: string } {
  const flags = fromFlags(input.args)
  if (flags.help) return { help: helpText() }
  const environment = fromEnvironment(input.env, (path) => input.readFile(resolve(directoryOf(input), path)))
  const file = readSettingsFile(input, flags.file ?? input.env.DROVER_CONFIG)
  const values = merge([...file, environment, flags])
  const configuration = configurationSchema.parse(values)
  refusePlaintext(configuration)
  refuseLoneRoles(configuration)
  const dataDirectory = resolve(directoryOf(input), configuration.dataDirectory)
  return deepFreeze({ ...configuration, dataDirectory })
}

const directoryOf = ({ currentDirectory }: ConfigurationInput) => currentDirectory ?? process.cwd()

function readSettingsFile(input: ConfigurationInput, named: string | undefined): Source[] {
  const path = named ?? defaultFile
  const text = input.readFile(resolve(directoryOf(input), path))
  if (text !== undefined) return [fromFile(path, text)]
  if (named === undefined) return []
  throw badConfiguration(`there is no file ${named}`)
}

/** The values of the last source that gives one, as given; each was checked, so that its error names its source. */
function merge(sources: readonly Source[]): Partial<Record<SettingKey, unknown>> {
  const values: Partial<Record<SettingKey, unknown>> = {}
  const wrong: string[] = []
  for (const source of sources)
    for (const setting of settings) {
      if (!source.values.has(setting.key)) continue
      const value = source.values.get(setting.key)
      const { error } = setting.schema.safeParse(value)
      if (error === undefined) values[setting.key] = value
      else wrong.push(`${source.name}: ${source.nameOf(setting)} is ${describe(setting, value, error)}`)
    }
  if (wrong.length > 0) throw badConfiguration(wrong.join('. '))
  return values
}

function describe(setting: Setting, value: unknown, error: z.ZodError): string {
  const hint = setting.isSecret ? error.issues[0]?.message : ''
  return `${show(setting, value)}; expected ${setting.expects}${hint ? `: ${hint}` : ''}`
}

function show(setting: Setting, value: unknown): string {
  const shown = JSON.stringify(setting.isSecret ? withoutPassword(String(value)) : value) ?? String(value)
  return shown.length > 80 ? `${shown.slice(0, 80)}…` : shown
}

function refusePlaintext({ httpListener, mqttListener, allowPlaintext }: Configuration): void {
  if (allowPlaintext) return
  for (const [listener, address] of [
    ['HTTP', httpListener],
    ['MQTT', mqttListener],
  ] as const)
    if (address !== 'off' && !isLoopback(address.host))
      throw new DroverError('plaintextRefused', { listener, address: formatListener(address) })
}

/** What is embedded belongs to one process, which then has to do everything. */
function refuseLoneRoles({ roles, queue, store, registry }: Configuration): void {
  const engines = Object.entries({ queue, store, registry })
  const own = engines.filter(([, { kind }]) => kind === 'embedded').map(([name]) => name)
  if (roles.length === 3 || own.length === 0) return
  throw badConfiguration(`roles is ${roles}, but no other process reaches the embedded ${own.join(', ')}`)
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) deepFreeze(inner)
  return Object.freeze(value)
}
