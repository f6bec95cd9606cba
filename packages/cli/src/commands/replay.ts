import { readFileSync } from 'node:fs'
import { DroverError } from '@drover/protocol'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { list, positiveInteger, positiveNumber } from '../arguments.ts'
import { type Context, untilStopped } from '../context.ts'
import { formatJson } from '../format.ts'
import { mqttAddress } from '../mqtt-address.ts'
import { type ColumnOptions, createRowReader } from '../replay/columns.ts'
import { startProgress } from '../replay/progress.ts'
import { Replay, type ReplayCounts } from '../replay/replay.ts'
import { createHttpSender, createMqttSender, type Sender } from '../replay/sender.ts'
import { openSource } from '../replay/source.ts'
import { connectTo, type ServerOptions, withServer } from '../server.ts'
import { createTokenSource, type TokenSource } from '../tokens.ts'

interface ReplayCommandOptions extends ServerOptions, ColumnOptions {
  readonly delimiter: string
  readonly mqtt?: string
  readonly http?: true
  readonly qos: 0 | 1 | 2
  readonly window: number
  readonly batch: number
  readonly speed: number
  readonly create?: true
  readonly profile?: string
  readonly tag?: string[]
  readonly fromRow: number
  readonly rows: number
}

const example = `
Examples:
  drover replay readings.csv --device sensor --time timestamp --create
  drover replay beijing.csv.gz --device station --time-parts year,month,day,hour --time-zone +08:00 \\
    --except No --strings wd --create
  drover replay machine.csv --device-id machine-1 --time timestamp --time-zone America/New_York --speed 3600`

export function replayCommand(context: Context): Command {
  const command = new Command('replay')
    .description('send a CSV file as devices would')
    .argument('<file>', 'CSV with a header line, also .gz')
  addColumnOptions(command)
  addSendingOptions(command)
  return withServer(command)
    .addHelpText('after', example)
    .action((file: string, options: ReplayCommandOptions) => replay(file, options, context))
}

function addColumnOptions(command: Command): void {
  command
    .option('--device <column>', 'the column that names the device')
    .option('--device-id <id>', 'the one device of all rows')
    .option('--time <columns>', 'the column of the time, or several, joined by a blank', list)
    .option('--time-format <format>', 'iso, seconds, milliseconds, or such as "DD.MM.YYYY HH:mm:ss"', 'iso')
    .option('--time-parts <columns>', 'columns of year, month, day, hour, minute, second', list)
    .option('--time-zone <zone>', 'of times that do not say it: UTC, +08:00, Europe/Berlin', 'UTC')
    .option('--metrics <columns>', 'the columns to send (default: all others)', list)
    .option('--except <columns>', 'columns to leave out', list)
    .option('--strings <columns>', 'columns of text, even where it looks like a number', list)
    .addOption(
      new Option('--missing <texts>', 'texts that stand for no value')
        .argParser(list)
        .default(['', 'NA'], '",NA"'),
    )
    .option('--delimiter <character>', 'between cells', ',')
}

function addSendingOptions(command: Command): void {
  command
    .option('--mqtt <url>', 'where the server takes MQTT (default: as the server says)')
    .option('--http', 'send by HTTP to --url instead')
    .addOption(new Option('--qos <qos>', 'MQTT quality of service').argParser(qos).default(1))
    .option('--window <messages>', 'that may wait for their acknowledgement, a device', positiveInteger, 500)
    .option('--batch <rows>', 'rows a message', positiveInteger, 1)
    .addOption(
      new Option('--speed <factor>', "times the rows' own speed, or max")
        .argParser(speed)
        .default(Number.POSITIVE_INFINITY, 'max'),
    )
    .option('--create', 'create devices that do not exist')
    .option('--profile <id>', 'of devices that are created')
    .option('--tag <tag...>', 'of devices that are created')
    .option('--from-row <number>', 'go on at this row (the first below the header is 1)', positiveInteger, 1)
    .addOption(
      new Option('--rows <number>', 'rows at most')
        .argParser(positiveInteger)
        .default(Number.POSITIVE_INFINITY, 'all'),
    )
}

function qos(text: string): number {
  if (!/^[012]$/.test(text)) throw new InvalidArgumentError('It must be 0, 1 or 2.')
  return Number(text)
}

function speed(text: string): number {
  return text === 'max' ? Number.POSITIVE_INFINITY : positiveNumber(text.replace(/[x×]$/, ''))
}

async function replay(file: string, options: ReplayCommandOptions, context: Context): Promise<void> {
  if ((options.device === undefined) === (options.deviceId === undefined))
    throw new DroverError('badRequest', { reason: 'give either --device COLUMN or --device-id ID' })
  const source = await openSource(file, options.delimiter)
  const rows = source.rows()
  const header = await rows.next()
  if (header.done) throw new DroverError('badRequest', { reason: `${file} is empty` })
  const readRow = createRowReader(header.value, options)
  const client = connectTo(options)
  const tokens = createTokenSource(client, { create: options.create ?? false })
  const mqttUrl = options.http ? '' : (options.mqtt ?? (await mqttAddress(client, options.url)))
  const onLost = createOnceTeller((reason) => context.stderr.write(`${mqttUrl}: ${reason}. Trying again.\n`))
  const senders = createSenders(tokens, { mqttUrl, onLost }, options)
  const { signal, release } = untilStopped(context)
  signal.addEventListener('abort', () => senders.close())
  const run = new Replay({ ...options, rowsMax: options.rows, senderOf: senders.of, signal })
  const startedMs = performance.now()
  const progress = startProgress(
    source,
    { fromRow: options.fromRow, counts: () => run.counts },
    context,
    options.json === true,
  )
  try {
    await run.run(rows, readRow)
  } finally {
    await senders.close()
    progress.stop()
    release()
    report(run.counts, performance.now() - startedMs, tokens.created, options, context)
    await tokens.release()
  }
  if (signal.aborted) throw new CommanderError(interrupted, 'interrupted', 'The replay was stopped.')
}

/** What shells give for a program that Ctrl-C ended. */
const interrupted = 130

/** Tells each reason once: it is the same for hundreds of connections, again and again. */
function createOnceTeller(tell: (reason: string) => void): (reason: string) => void {
  const told = new Set<string>()
  return (reason) => {
    if (told.has(reason)) return
    told.add(reason)
    tell(reason)
  }
}

/** One sender a device, made when its first row comes. */
function createSenders(
  tokens: TokenSource,
  { mqttUrl, onLost }: { readonly mqttUrl: string; readonly onLost: (reason: string) => void },
  options: ReplayCommandOptions,
) {
  const senders = new Map<string, Promise<Sender>>()
  const ca = options.ca === undefined ? undefined : readFileSync(options.ca)
  const open = async (device: string): Promise<Sender> => {
    const { profile, tag, window } = options
    const settings = { device, token: await tokens.tokenOf({ id: device, profile, tags: tag }), window }
    if (options.http) return createHttpSender(settings, options.url)
    return createMqttSender(settings, { url: mqttUrl, qos: options.qos, ca, onLost })
  }
  return {
    of(device: string): Promise<Sender> {
      const known = senders.get(device)
      if (known) return known
      if (senders.size >= devicesMax)
        throw new DroverError('badRequest', {
          reason: `the file has more than ${devicesMax} devices; replay it in parts`,
        })
      const sender = open(device)
      senders.set(device, sender)
      return sender
    },
    async close(): Promise<void> {
      const opened = await Promise.allSettled(senders.values())
      await Promise.all(opened.map((one) => one.status === 'fulfilled' && one.value.close()))
    },
  }
}

/** Each is a connection. */
const devicesMax = 10_000

function report(
  counts: ReplayCounts,
  elapsedMs: number,
  created: readonly string[],
  options: ReplayCommandOptions,
  { stdout, stderr }: Context,
): void {
  const seconds = elapsedMs / 1000
  if (options.json) {
    stdout.write(formatJson({ ...counts, created, seconds }))
    return
  }
  const { noTime, noValues, noDevice } = counts.skipped
  const perSecond = Math.round(counts.messagesAcknowledged / seconds)
  stdout.write(
    `Rows ${counts.rows}, messages sent ${counts.messagesSent}, acknowledged ${counts.messagesAcknowledged}, ` +
      `values ${counts.values}, in ${seconds.toFixed(1)} s (${perSecond} messages/s).\n`,
  )
  if (created.length > 0) stdout.write(`Devices created: ${created.join(', ')}\n`)
  if (noTime + noValues + noDevice > 0)
    stdout.write(
      `Left out: ${noValues} rows without values, ${noTime} without a time, ${noDevice} without a device.\n`,
    )
  if (
    counts.messagesAcknowledged < counts.messagesSent ||
    counts.nextRow <= options.fromRow + counts.rows - 1
  )
    stderr.write(`Not everything was acknowledged. Go on with --from-row ${counts.nextRow}.\n`)
}
