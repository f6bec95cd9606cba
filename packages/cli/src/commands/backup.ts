import { resolve } from 'node:path'
import { Command } from 'commander'
import type { Context } from '../context.ts'
import { formatJson } from '../format.ts'
import { connectTo, type ServerOptions, withServer } from '../server.ts'

/** A backup of many gigabytes takes as long as copying them does. */
const backupTimeoutMs = 3_600_000

export function backupCommand(context: Context): Command {
  const command = new Command('backup')
    .description('copy everything the server keeps, at one consistent point, while it runs')
    .argument('<directory>', "an empty folder, or one to be made, on the server's machine")
    .addHelpText(
      'after',
      '\nExample:\n  drover backup /var/backups/drover-2026-11-22\nTo restore: start with --data of a copy.',
    )
  return withServer(command).action(async (directory: string, options: ServerOptions) => {
    const result = await connectTo(options, backupTimeoutMs).backups.create(resolve(directory))
    context.stdout.write(options.json ? formatJson(result) : `Backed up into ${result.directory}.\n`)
  })
}
