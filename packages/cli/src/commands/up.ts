import { Command } from 'commander'

/** Only for the list of commands: `up` has its own flags, which the server's configuration reads and explains. */
export function upCommand(): Command {
  return new Command('up')
    .description('start the server (see `drover up --help` for its settings)')
    .allowUnknownOption()
    .helpOption(false)
}

/** Loaded only here, so that the other commands start without the server's code. */
export async function runUp(args: readonly string[]): Promise<number> {
  const { up } = await import('@drover/server')
  return up(args)
}
