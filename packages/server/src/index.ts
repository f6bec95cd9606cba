import { hostname } from 'node:os'
import { readConfiguration } from './commands.ts'
import type { Configuration } from './config.ts'
import { type RunningServer, startServer } from './main.ts'
import { createLogger, type Logger } from './runtime/logger.ts'

export { doctor, migrate } from './commands.ts'

/**
 * `drover up`: starts the server with these arguments, and answers with the exit code once it has stopped, on SIGINT or
 * SIGTERM within ten seconds. Throws a DroverError when it cannot start.
 */
export async function up(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<number> {
  const configuration = readConfiguration(args, env)
  if ('help' in configuration) {
    process.stdout.write(`${configuration.help.trimEnd()}\n`)
    return 0
  }
  const log = createLogger({ level: configuration.logLevel, format: configuration.logFormat })
  return run(configuration, log)
}

async function run(configuration: Configuration, log: Logger): Promise<number> {
  const stop = Promise.withResolvers<number>()
  const onSignal = (signal: NodeJS.Signals) => {
    log.info({ signal }, 'stopping')
    stop.resolve(0)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  const onFailure = (error: Error) => {
    log.error(
      { error },
      'a part of the server failed; stopping, so that a restart can recover what was accepted',
    )
    stop.resolve(1)
  }
  try {
    const server = await startServer({ configuration, log, onFailure })
    announce(server, configuration, log)
    const code = await stop.promise
    const clean = await server.stop(configuration.stopTimeoutMs)
    log.info('stopped')
    return clean ? code : 1
  } finally {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
}

/** A listener on all addresses has none that could be opened. */
const anyAddress = /\/\/(0\.0\.0\.0|\[::\]):/

/** What somebody who has just started it needs: where everything is and what to do next; programs read `ready`. */
function announce(server: RunningServer, configuration: Configuration, log: Logger): void {
  const { addresses, adminKeyPath, adminKeyCreated, startedInMs } = server
  if (adminKeyCreated) log.info({ file: adminKeyPath }, 'made a new administrator key; keep it secret')
  if (addresses.http)
    log.info(
      { url: addresses.http, key: adminKeyPath },
      'console: open the address and sign in with the key of the file',
    )
  const overNetwork = addresses.https?.replace(anyAddress, `//${configuration.publicName ?? hostname()}:`)
  if (overNetwork)
    log.info(
      { url: overNetwork, ca: `${overNetwork}/ca.pem` },
      'the same over the network; let devices and browsers trust ca.pem',
    )
  log.info(
    { docs: `${addresses.http ?? addresses.https ?? ''}/docs` },
    'next: add a device in the console, or see the reference',
  )
  log.info({ ...addresses, data: configuration.dataDirectory, startedInMs }, 'ready')
}
