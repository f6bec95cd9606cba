import { type Setting, settings } from './settings.ts'

/** What `drover up --help` prints. */
export function helpText(): string {
  const flags = settings.map((setting) => [`${setting.flag} ${setting.placeholder}`.trim(), setting] as const)
  const width = Math.max(...flags.map(([flag]) => flag.length)) + 2
  const lines = flags.map(
    ([flag, setting]) => `  ${flag.padEnd(width)}${setting.about} (${defaultOf(setting)})`,
  )
  return [
    'Usage: drover up [flags]',
    '',
    'Starts the whole of Drover in one process.',
    '',
    ...lines,
    `  ${'--config FILE'.padEnd(width)}Settings from this file (./drover.yaml, if there is one)`,
    '',
    'Each flag is also a line of the file and a variable: --log-level LEVEL, logLevel: LEVEL, DROVER_LOG_LEVEL=LEVEL.',
    'The variable goes before the file, the flag before both.',
    '',
  ].join('\n')
}

/** The default in words. */
export function defaultOf({ defaultText, schema }: Setting): string {
  if (defaultText !== undefined) return defaultText
  // Both kinds of default keep the value as it would be written.
  const { defaultValue } = schema._zod.def as { defaultValue?: unknown }
  return String(defaultValue)
}
