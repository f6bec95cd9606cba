import { Command, CommanderError } from 'commander'
import type { Context } from '../context.ts'

/** Both take the settings of `drover up`, which the server reads and explains; it is loaded only when they run. */
function settingsCommand(name: string, description: string, example: string): Command {
  return new Command(name)
    .description(description)
    .argument('[settings...]', 'flags of `drover up`; its file and variables count too')
    .allowUnknownOption()
    .addHelpText('after', `\nExample:\n  ${example}\nThe settings are those of \`drover up --help\`.`)
}

export function migrateCommand(context: Context): Command {
  const example = 'drover migrate --queue kafka://kafka:9092 --store postgres://drover@db/drover'
  return settingsCommand('migrate', 'make or check topics, queues and tables, and end', example).action(
    async (args: string[]) => {
      const { migrate } = await import('@drover/server')
      for (const line of await migrate(args, context.env)) context.stdout.write(`${line}\n`)
    },
  )
}

export function doctorCommand(context: Context): Command {
  const example = 'drover doctor --queue amqp://guest:guest@rabbit:5672 --store postgres://drover@db/drover'
  return settingsCommand(
    'doctor',
    'warn of engines and settings that are unsafe or do not fit',
    example,
  ).action(async (args: string[]) => {
    const { doctor } = await import('@drover/server')
    const warnings = await doctor(args, context.env)
    for (const warning of warnings) context.stdout.write(`${warning}\n`)
    if (warnings.length > 0) throw new CommanderError(1, 'doctor', '')
    context.stdout.write('Nothing to warn of.\n')
  })
}
