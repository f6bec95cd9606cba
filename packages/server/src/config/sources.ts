import { parseArgs } from 'node:util'
import { DroverError } from '@drover/protocol'
import { parse as parseYaml, YAMLParseError } from 'yaml'
import { nearestName } from './nearest.ts'
import { type Setting, type SettingKey, settings } from './settings.ts'

/** One place that settings come from: what it gave, under the setting's key. */
export interface Source {
  /** For errors: `drover.yaml`, `environment`, `flags`. */
  readonly name: string
  readonly values: ReadonlyMap<SettingKey, unknown>
  /** What the source calls a setting, for errors. */
  readonly nameOf: (setting: Setting) => string
}

export function badConfiguration(reason: string): DroverError {
  return new DroverError('badConfiguration', { reason })
}

export function unknownName(source: string, given: string, known: readonly string[]): DroverError {
  const nearest = nearestName(given, known)
  return badConfiguration(
    `${source}: there is no setting ${given}${nearest ? `, but there is ${nearest}` : ''}`,
  )
}

/** `text` is the content of the file `path`. Throws `badConfiguration`. */
export function fromFile(path: string, text: string): Source {
  const values = new Map<SettingKey, unknown>()
  for (const [key, value] of Object.entries(parseFile(path, text))) {
    const setting = settings.find((one) => one.key === key)
    if (!setting)
      throw unknownName(
        path,
        key,
        settings.map((one) => one.key),
      )
    values.set(setting.key, value)
  }
  return { name: path, values, nameOf: (setting) => setting.key }
}

function parseFile(path: string, text: string): object {
  let content: unknown
  try {
    content = parseYaml(text, { maxAliasCount: 100 })
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error
    throw badConfiguration(`${path}: not YAML: ${error.message.split('\n')[0]!.replace(/:$/, '')}`)
  }
  if (content === null) return {}
  if (typeof content !== 'object' || Array.isArray(content))
    throw badConfiguration(`${path}: expected lines of \`setting: value\``)
  return content
}

/** Variables that are not settings: the file itself, what the command line client and the tests use. */
const otherVariables = [
  'DROVER_CONFIG',
  'DROVER_URL',
  'DROVER_KEY',
  'DROVER_CA',
  'DROVER_FULL',
  'DROVER_CHROMIUM',
  'DROVER_SCREENSHOTS',
  'DROVER_SERVICES_CACHE',
]

/** Settings of the tests, which the servers that they start inherit. */
const testVariable = /^DROVER_(FAULT|FUZZ)_/

/** Kubernetes sets these in every container when a service is called `drover`. */
const kubernetesVariable = /^DROVER_(SERVICE_(HOST|PORT)|PORT)(_|$)/

/** What a secret may be read from instead: containers are given secrets as files. */
const fileSuffix = '_FILE'

/** Throws `badConfiguration` for an unknown `DROVER_*`, and for a file of a secret that is not there. */
export function fromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  readFile: (path: string) => string | undefined,
): Source {
  const values = new Map<SettingKey, unknown>()
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('DROVER_') || value === undefined) continue
    if (otherVariables.includes(name) || testVariable.test(name) || kubernetesVariable.test(name)) continue
    const ofSecret = settings.find((one) => one.isSecret && one.environment + fileSuffix === name)
    const setting = ofSecret ?? settings.find((one) => one.environment === name)
    if (!setting)
      throw unknownName(
        'environment',
        name,
        settings.map((one) => one.environment),
      )
    if (values.has(setting.key))
      throw badConfiguration(`environment: give either ${setting.environment} or its ${fileSuffix}`)
    values.set(setting.key, ofSecret ? readSecret(name, value, readFile) : value)
  }
  return { name: 'environment', values, nameOf: (setting) => setting.environment }
}

function readSecret(name: string, path: string, readFile: (path: string) => string | undefined): string {
  const text = readFile(path)
  if (text === undefined) throw badConfiguration(`environment: ${name} names ${path}, which is not there`)
  return text.trim()
}

export interface Flags extends Source {
  /** The value of `--config`. */
  readonly file: string | undefined
  readonly help: boolean
}

const configFlag = '--config'

/** `args`: what follows `drover up`. Throws `badConfiguration`. */
export function fromFlags(args: readonly string[]): Flags {
  const values = new Map<SettingKey, unknown>()
  let file: string | undefined
  let help = false
  for (const { name, value } of flagTokens(args)) {
    if (name === '--help' || name === '-h') help = true
    else if (name === configFlag) file = requiredValue(name, value)
    else {
      const setting = settingOfFlag(name)
      values.set(setting.key, setting.takesValue ? requiredValue(name, value) : (value ?? true))
    }
  }
  return { name: 'flags', values, file, help, nameOf: (setting) => setting.flag }
}

function flagTokens(args: readonly string[]): { name: string; value: string | undefined }[] {
  const options = Object.fromEntries(
    [...settings.filter((one) => one.takesValue).map((one) => one.flag), configFlag].map((flag) => [
      flag.slice(2),
      { type: 'string' as const },
    ]),
  )
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true })
  return tokens.map((token) => {
    if (token.kind === 'option') return { name: token.rawName, value: token.value }
    return { name: token.kind === 'positional' ? token.value : '--', value: undefined }
  })
}

function settingOfFlag(name: string): Setting {
  const setting = settings.find((one) => one.flag === name)
  if (setting) return setting
  if (!/^--?./.test(name)) throw badConfiguration(`flags: ${name} is not a flag`)
  throw unknownName('flags', name, [...settings.map((one) => one.flag), configFlag, '--help'])
}

function requiredValue(name: string, value: string | undefined): string {
  if (value !== undefined) return value
  const expected = settings.find((one) => one.flag === name)?.expects ?? 'the path of a file'
  throw badConfiguration(`flags: ${name} has no value; expected ${expected}`)
}
