import { Command, CommanderError } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import { backupCommand } from './commands/backup.ts'
import { benchCommand } from './commands/bench.ts'
import { devicesCommand } from './commands/devices.ts'
import { doctorCommand, migrateCommand } from './commands/engines.ts'
import { profilesCommand } from './commands/profiles.ts'
import { replayCommand } from './commands/replay.ts'
import { simulateCommand } from './commands/simulate.ts'
import { tailCommand } from './commands/tail.ts'
import { telemetryCommand } from './commands/telemetry.ts'
import { runUp, upCommand } from './commands/up.ts'
import type { Context } from './context.ts'
import { describeFailure } from './failure.ts'

const exitCodes = { done: 0, failed: 1, usage: 2 } as const

/** Runs `drover` with these arguments; answers with the exit code: 0 done, 1 failed, 2 not understood. */
export async function main(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  context: Context = { env, stdout: process.stdout, stderr: process.stderr },
): Promise<number> {
  context.stdout.on('error', endWhenNobodyReads)
  try {
    if (args[0] === 'up') return await runUp(args.slice(1))
    await createProgram(context).parseAsync([...args], { from: 'user' })
    return exitCodes.done
  } catch (error) {
    if (error instanceof CommanderError) return exitCodeOf(error)
    context.stderr.write(`${describeFailure(error)}\n`)
    return exitCodes.failed
  }
}

/** `drover telemetry … | head` is no failure. */
function endWhenNobodyReads(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
  process.exit(exitCodes.done)
}

/** Commander's own errors are of usage; a command throws others to end with the code of a process that it ran. */
function exitCodeOf({ code, exitCode }: CommanderError): number {
  return exitCode === 0 || !code.startsWith('commander.') ? exitCode : exitCodes.usage
}

export function createProgram(context: Context): Command {
  const program = new Command('drover')
    .description('Herds devices: takes in what they send, keeps it, shows it.')
    .version(packageJson.version)
    .addHelpText(
      'after',
      '\nStart with `drover up`. `drover COMMAND --help` shows what a command takes, with an example.',
    )
  const commands = [
    upCommand(),
    devicesCommand(context),
    profilesCommand(context),
    telemetryCommand(context),
    tailCommand(context),
    replayCommand(context),
    simulateCommand(context),
    backupCommand(context),
    migrateCommand(context),
    doctorCommand(context),
    benchCommand(context),
  ]
  for (const command of commands) program.addCommand(command)
  settle(program, context)
  return program
}

/** Subcommands that are built apart do not inherit these settings. */
function settle(command: Command, context: Context): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => context.stdout.write(text),
    writeErr: (text) => context.stderr.write(text),
  })
  command.showHelpAfterError('(add --help for what it takes, and an example)')
  for (const subcommand of command.commands) settle(subcommand, context)
}
