import { readFileSync } from 'node:fs'
import { errorTable, limits, quarantineReasons } from '@drover/protocol'
import { defaultOf } from '../packages/server/src/config/help.ts'
import { settings } from '../packages/server/src/config/settings.ts'
import { table } from './markdown.ts'
import { restPage } from './rest-page.ts'
import { repository } from './steps.ts'

/** A generated page of the reference. */
export interface Page {
  /** In the repository. */
  readonly path: string
  readonly text: string
}

/** All generated pages as they should be now. */
export async function pages(): Promise<readonly Page[]> {
  return [
    page('errors', 'packages/protocol/src/errors.ts', errorsPage()),
    page('limits', 'packages/protocol/src/limits.ts', limitsPage()),
    page('configuration', 'packages/server/src/config/settings.ts', configurationPage()),
    page('rest', 'packages/server/src/api', await restPage()),
  ]
}

function page(name: string, source: string, text: string): Page {
  const header = `<!-- Generated from ${source} by \`npm run docs\`. Changes made here are lost. -->`
  return { path: `docs/reference/${name}.md`, text: `${header}\n\n${text.trim()}\n` }
}

function errorsPage(): string {
  const rows = Object.entries(errorTable).map(([code, { message, status, retryable, mqttReason }]) => [
    `\`${code}\``,
    String(status),
    mqttReason === undefined ? '' : `0x${mqttReason.toString(16)}`,
    retryable ? 'yes' : 'no',
    message,
  ])
  return `# Errors

A code is public: it is never renamed and never used for anything else. REST answers
\`{"error":{"code","message","details","retryable"}}\` with the status, MQTT 5 the reason code, the command line prints code and
message. \`retryable\` says whether the same request may succeed later without being changed. What stands in braces is
filled in, and is in \`details\`.

${table(['code', 'HTTP status', 'MQTT 5 reason', 'retryable', 'message'], rows)}

# Reasons of the quarantine

Why a value or a whole message was not stored. The rest of its message was.

${table(
  ['reason', 'meaning'],
  Object.entries(quarantineReasons).map(([code, meaning]) => [`\`${code}\``, meaning]),
)}`
}

function limitsPage(): string {
  const rows = describedLimits().map(({ name, about }) => [
    `\`${name}\``,
    limits[name].toLocaleString('en-US').replaceAll(',', ' '),
    about,
  ])
  return `# Limits

What is not a setting. At a limit Drover pushes back and says so; it neither grows without bound nor drops silently. The
settings, with their own limits, are in [configuration.md](configuration.md).

${table(['limit', 'value', 'of what'], rows)}`
}

type LimitName = keyof typeof limits

/** Each limit with the comment above it, which stands for all that follow it without one of their own. */
function describedLimits(): { name: LimitName; about: string }[] {
  const source = readFileSync(`${repository}packages/protocol/src/limits.ts`, 'utf8')
  const body = source.slice(source.indexOf('export const limits'))
  const described: { name: LimitName; about: string }[] = []
  let about = ''
  for (const [, comment, name] of body.matchAll(/\/\*\*([\s\S]*?)\*\/|^ {2}(\w+):/gm)) {
    if (comment !== undefined)
      about = comment
        .replace(/^\s*\*/gm, '')
        .replace(/\s+/g, ' ')
        .trim()
    else described.push({ name: name as LimitName, about })
  }
  return described
}

function configurationPage(): string {
  const rows = settings.map((setting) => [
    `\`${setting.key}\``,
    `\`${`${setting.flag} ${setting.placeholder}`.trim()}\``,
    defaultOf(setting),
    `${setting.about} Expected: ${setting.expects}.`,
    `\`${setting.environment}\``,
  ])
  return `# Configuration

Every setting is a line of the file \`drover.yaml\`, an environment variable and a flag of \`drover up\`. The flag goes before
the variable, the variable before the file, the file before the default. The file is \`./drover.yaml\` if there is one, or what
\`--config FILE\` (\`DROVER_CONFIG\`) names. An unknown name is refused in all three, with the nearest known one.

\`\`\`yaml
# drover.yaml
dataDirectory: /var/lib/drover
publicName: drover.example.org
retentionDays: 730
logBytesMax: 32GiB
\`\`\`

Sizes take a unit: \`512MiB\`, \`8 GiB\`, \`10GB\`. Relative folders start at the folder in which Drover is started. A listener
without TLS on anything but a loopback address is refused unless \`allowPlaintext\` is set.

\`queue\`, \`store\` and \`registry\` may hold a password, which is neither logged nor shown. Each can be read from a file, as
containers are given secrets: \`DROVER_STORE_FILE=/run/secrets/store\` in place of \`DROVER_STORE\`.

${table(['in `drover.yaml`', 'flag', 'default', 'meaning', 'environment'], rows)}`
}
