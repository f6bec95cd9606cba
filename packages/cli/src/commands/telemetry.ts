import type { Writable } from 'node:stream'
import { type AggregateFunction, aggregateFunctions, type Bucket, type Point } from '@drover/protocol'
import { type Client, eachPage, type SeriesQuery } from '@drover/sdk/client'
import { Command, InvalidArgumentError, Option } from 'commander'
import { list, positiveInteger, time } from '../arguments.ts'
import type { Context } from '../context.ts'
import { type Cell, formatCsvLine, formatJson, formatTable } from '../format.ts'
import { connectTo, type ServerOptions, withServer } from '../server.ts'

interface TelemetryCommandOptions extends ServerOptions {
  readonly from?: string
  readonly to?: string
  readonly every?: string
  readonly fn?: AggregateFunction[]
  readonly quality?: 'good' | 'any'
  readonly maxPoints?: number
  readonly limit?: number
  readonly format: 'table' | 'csv' | 'json'
}

const example = `
Examples:
  drover telemetry boiler-7 temperature --from 24h
  drover telemetry boiler-7 --from 2026-01-01T00:00:00Z --every 1d --fn avg,max --format csv > boiler.csv`

export function telemetryCommand(context: Context): Command {
  const command = new Command('telemetry')
    .description('read what a device sent, as a table, CSV or JSON')
    .argument('<device>')
    .argument('[metric...]', 'default: all of the device')
    .option('--from <time>', 'RFC 3339, or how long ago: 7d (default: 24h)', (text) => time(text))
    .option('--to <time>', 'the same; not included', (text) => time(text))
    .option('--every <interval>', 'buckets of this width: 10s, 5m, 1h, 1d')
    .option('--fn <functions>', `of each bucket: ${aggregateFunctions.join(',')}`, functions)
    .addOption(new Option('--quality <quality>', 'good leaves suspect values out').choices(['good', 'any']))
    .option('--max-points <number>', 'downsample, peaks kept', positiveInteger)
    .option('--limit <number>', 'rows a metric at most (default: all)', positiveInteger)
    .addOption(new Option('--format <format>').choices(['table', 'csv', 'json']).default('table'))
    .addHelpText('after', example)
  return withServer(command).action((device: string, metrics: string[], options: TelemetryCommandOptions) =>
    printTelemetry(device, metrics, options, context),
  )
}

function functions(text: string): AggregateFunction[] {
  const names = list(text)
  for (const name of names)
    if (!aggregateFunctions.includes(name as AggregateFunction))
      throw new InvalidArgumentError(`It must be of ${aggregateFunctions.join(', ')}.`)
  return names as AggregateFunction[]
}

type Row = Point | Bucket

/** Takes the rows of one metric after the other. */
interface Printer {
  add(metric: string, rows: readonly Row[]): void
  end(): void
}

async function printTelemetry(
  device: string,
  named: readonly string[],
  options: TelemetryCommandOptions,
  context: Context,
): Promise<void> {
  const client = connectTo(options)
  const metrics = named.length > 0 ? named : Object.keys((await client.devices.latest(device)).metrics).sort()
  const printer = createPrinter(device, options, context)
  for (const metric of metrics)
    for await (const rows of pages(client, device, metric, options)) printer.add(metric, rows)
  printer.end()
}

function createPrinter(device: string, options: TelemetryCommandOptions, { stdout }: Context): Printer {
  const columns = columnsOf(options)
  const cells = (metric: string, row: Row) => [metric, ...columns.map((column) => cellOf(row, column))]
  if (options.json || options.format === 'json') return createJsonPrinter(device, stdout)
  if (options.format === 'csv') return createCsvPrinter(['metric', ...columns], cells, stdout)
  return createTablePrinter(['metric', ...columns], cells, stdout)
}

function createJsonPrinter(device: string, stdout: Writable): Printer {
  const metrics = new Map<string, Row[]>()
  return {
    add: (metric, rows) => metrics.set(metric, [...(metrics.get(metric) ?? []), ...rows]),
    end: () => stdout.write(formatJson({ device, metrics: Object.fromEntries(metrics) })),
  }
}

type CellsOf = (metric: string, row: Row) => Cell[]

function createCsvPrinter(titles: readonly string[], cells: CellsOf, stdout: Writable): Printer {
  stdout.write(formatCsvLine(titles))
  return {
    add: (metric, rows) => stdout.write(rows.map((row) => formatCsvLine(cells(metric, row))).join('')),
    end: () => undefined,
  }
}

function createTablePrinter(titles: readonly string[], cells: CellsOf, stdout: Writable): Printer {
  const lines: Cell[][] = []
  return {
    add: (metric, rows) => {
      for (const row of rows) lines.push(cells(metric, row))
    },
    end: () => {
      const upper = titles.map((title) => title.toUpperCase())
      stdout.write(
        lines.length > 0 ? formatTable(upper, lines) : 'No values there. Ask for more with --from.\n',
      )
    },
  }
}

function columnsOf({ every, fn = ['avg', 'min', 'max', 'count'] }: TelemetryCommandOptions): string[] {
  return every === undefined ? ['time', 'value', 'quality'] : ['time', ...fn, 'good', 'suspect']
}

function cellOf(row: Row, column: string): Cell {
  const value = (row as Readonly<Record<string, unknown>>)[column]
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : (value as Cell)
}

async function* pages(
  { devices }: Client,
  device: string,
  metric: string,
  options: TelemetryCommandOptions,
): AsyncGenerator<Row[]> {
  const { from = time('24h'), to, every, fn, quality, maxPoints, limit = Number.POSITIVE_INFINITY } = options
  const query = { from, to, every, fn, quality, maxPoints } satisfies SeriesQuery
  let left = limit
  for await (const page of eachPage((cursor) => devices.telemetry(device, { metric, ...query, cursor }))) {
    yield page.points.slice(0, left)
    left -= page.points.length
    if (left <= 0) return
  }
}
