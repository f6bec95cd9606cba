import type { LiveEvent } from '@drover/protocol'
import { Command } from 'commander'
import { list, positiveInteger } from '../arguments.ts'
import { type Context, untilStopped } from '../context.ts'
import { connectTo, type ServerOptions, withServer } from '../server.ts'

interface TailOptions extends ServerOptions {
  readonly tag?: string
  readonly types?: LiveEvent['type'][]
  readonly count?: number
}

const example = `
Examples:
  drover tail
  drover tail boiler-7 --types points --json`

export function tailCommand(context: Context): Command {
  const command = new Command('tail')
    .description('show what arrives, as it arrives, until Ctrl-C')
    .argument('[device...]', 'only of these devices')
    .option('--tag <tag>', 'only of devices with this tag')
    .option('--types <types>', 'of points, connection, quarantine', list)
    .option('--count <number>', 'end after so many events', positiveInteger)
    .addHelpText('after', example)
  return withServer(command).action((devices: string[], options: TailOptions) =>
    tail(devices, options, context),
  )
}

async function tail(devices: readonly string[], options: TailOptions, context: Context): Promise<void> {
  const { tag, types, count = Number.POSITIVE_INFINITY } = options
  const { signal, release } = untilStopped(context)
  const feed = connectTo(options).live({
    devices: devices.length > 0 ? devices : undefined,
    tag,
    types,
    signal,
    onState: (state, reason) => {
      if (state === 'open' && !options.json) context.stderr.write('Waiting for what arrives. Ctrl-C ends.\n')
      if (state === 'waiting') context.stderr.write(`${reason?.message ?? 'The feed ended.'} Trying again.\n`)
    },
  })
  try {
    let seen = 0
    for await (const event of feed) {
      context.stdout.write(options.json ? `${JSON.stringify(event)}\n` : describeEvent(event))
      if (++seen >= count) return
    }
  } finally {
    release()
  }
}

export function describeEvent(event: LiveEvent): string {
  switch (event.type) {
    case 'points':
      return event.points
        .map(({ time, metric, value, quality }) => {
          const shown = typeof value === 'object' ? JSON.stringify(value) : String(value)
          return `${time}  ${event.device}  ${metric} ${shown}${quality === 'good' ? '' : ` (${quality})`}\n`
        })
        .join('')
    case 'connection': {
      const { online, since, reason } = event.connection
      const why = reason === null ? '' : ` (${reason})`
      return `${since}  ${event.device}  ${online ? 'online' : `offline${why}`}\n`
    }
    case 'quarantine': {
      const what = event.metric === null ? 'a message' : event.metric
      return `${new Date().toISOString()}  ${event.device}  quarantined ${event.count} × ${what}: ${event.reason}\n`
    }
    case 'gap':
      return '… some events were left out …\n'
  }
}
