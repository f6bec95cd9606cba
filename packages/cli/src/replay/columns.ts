import { DroverError } from '@drover/protocol'
import type { Reading, TelemetryValue } from '@drover/sdk/device'
import { type Cells, createTimeReader, parseZone, partsMax } from './time.ts'

/** Which column holds what. */
export interface ColumnOptions {
  /** The column that names the device, or the one device that all rows are of. */
  readonly device?: string
  readonly deviceId?: string
  readonly time?: readonly string[]
  readonly timeParts?: readonly string[]
  readonly timeFormat: string
  readonly timeZone: string
  /** Default: all columns that are not used otherwise, but `except`. */
  readonly metrics?: readonly string[]
  readonly except?: readonly string[]
  /** Metrics whose values are text even where they look like numbers. */
  readonly strings?: readonly string[]
  /** Texts that stand for no value. */
  readonly missing: readonly string[]
}

export interface DeviceReading extends Reading {
  readonly device: string
  readonly time: number
}

/** A row as a device would have measured it, or why it cannot be sent. */
export type RowReader = (cells: Cells) => DeviceReading | 'noTime' | 'noValues' | 'noDevice'

const usualTimeColumns = ['time', 'timestamp', 'ts', 'date', 'datetime']

/** Throws `badRequest` when the options name a column that the header does not have. */
export function createRowReader(header: Cells, options: ColumnOptions): RowReader {
  const find = (name: string) => findColumn(header, name)
  const time = timeColumns(header, options)
  const deviceColumn = options.device === undefined ? undefined : find(options.device)
  const used = new Set([...time.columns, deviceColumn, ...(options.except ?? []).map(find)])
  const metrics = options.metrics?.map(find) ?? [...header.keys()].filter((column) => !used.has(column))
  const strings = new Set(options.strings?.map(find))
  const missing = new Set(options.missing)
  const readTime = createTimeReader({ ...time, zone: parseZone(options.timeZone) })
  return (cells) => {
    const device = deviceColumn === undefined ? options.deviceId! : cells[deviceColumn]!.trim()
    if (device === '') return 'noDevice'
    const ms = readTime(cells)
    if (ms === undefined) return 'noTime'
    const values: Record<string, TelemetryValue> = {}
    for (const column of metrics) {
      const text = cells[column]!.trim()
      if (missing.has(text)) continue
      values[header[column]!] = strings.has(column) ? text : parseValue(text)
    }
    return Object.keys(values).length === 0 ? 'noValues' : { device, time: ms, values }
  }
}

function timeColumns(header: Cells, options: ColumnOptions) {
  const columnsOf = (names: readonly string[]) => names.map((name) => findColumn(header, name))
  if (options.timeParts) {
    if (options.timeParts.length > partsMax)
      throw new DroverError('badRequest', { reason: '--time-parts takes year to second at most' })
    return { columns: columnsOf(options.timeParts), format: 'parts' }
  }
  const usual = header.find((name) => usualTimeColumns.includes(name.toLowerCase()))
  const names = options.time ?? (usual === undefined ? undefined : [usual])
  if (names) return { columns: columnsOf(names), format: options.timeFormat }
  throw new DroverError('badRequest', {
    reason: `no column is called ${usualTimeColumns.join(', ')}; name it with --time or --time-parts. The file has: ${header.join(', ')}`,
  })
}

function findColumn(header: Cells, name: string): number {
  const column = header.indexOf(name)
  if (column >= 0) return column
  throw new DroverError('badRequest', {
    reason: `there is no column ${name}. The file has: ${header.join(', ')}`,
  })
}

const numberPattern = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

/** What a device would send for this cell: a number or boolean if it reads as one, or else the text. */
function parseValue(text: string): TelemetryValue {
  if (numberPattern.test(text) && Number.isFinite(Number(text))) return Number(text)
  if (/^(true|false)$/i.test(text)) return text.toLowerCase() === 'true'
  return text
}
