import { readFileSync } from 'node:fs'
import { DroverError } from '@drover/protocol'
import { type Configuration, parseConfiguration } from './config.ts'
import { examine } from './doctor.ts'
import { openEngines } from './migrate.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** What `up`, `migrate` and `doctor` all take; with `--help` the text for it. Throws `badConfiguration`. */
export function readConfiguration(
  args: readonly string[],
  env: Environment,
): Configuration | { readonly help: string } {
  return parseConfiguration({ args, env, readFile })
}

/** `drover migrate`: answers what was prepared, a line each. */
export async function migrate(
  args: readonly string[],
  env: Environment = process.env,
): Promise<readonly string[]> {
  const configuration = settingsOf(args, env)
  const warnings: string[] = []
  const prepared = await openEngines(configuration, (warning) => warnings.push(warning))
  const lines = prepared.map(({ setting, kind }) => `${setting}: ${kind} is ready`)
  if (lines.length === 0) lines.push('Nothing to do: what comes along is made and migrated at the start.')
  return [...warnings, ...lines]
}

/** `drover doctor`: answers the warnings. */
export async function doctor(
  args: readonly string[],
  env: Environment = process.env,
): Promise<readonly string[]> {
  return examine(settingsOf(args, env))
}

function settingsOf(args: readonly string[], env: Environment): Configuration {
  const configuration = readConfiguration(args, env)
  if ('help' in configuration) throw new DroverError('badConfiguration', { reason: 'see drover up --help' })
  return configuration
}

function readFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    const reason = `${path} cannot be read: ${(error as Error).message}`
    throw new DroverError('badConfiguration', { reason }, error)
  }
}
