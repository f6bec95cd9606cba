import type { JsonValue, Point } from '@drover/protocol'
import { type Client, eachPage } from '@drover/sdk/client'
import type { TimeWindow } from './range.ts'

const pagePoints = 20_000

interface ExportRequest {
  readonly device: string
  readonly metric: string
  readonly window: TimeWindow
  readonly signal?: AbortSignal
  /** Told how many rows are written so far. */
  readonly onRows?: (rows: number) => void
}

/** Every raw point of the window as CSV, page by page: `time,value,quality`. Yields text that can be put together. */
export async function* csvOf(client: Client, request: ExportRequest): AsyncGenerator<string> {
  const { device, metric, window, signal, onRows } = request
  const { from } = window
  const load = (cursor?: string) =>
    client.devices.telemetry(device, { metric, from, to: window.to + 1, limit: pagePoints, cursor }, signal)
  let rows = 0
  yield 'time,value,quality\n'
  for await (const { points } of eachPage(load)) {
    rows += points.length
    yield points.map((point) => csvRow(point as Point)).join('')
    onRows?.(rows)
  }
}

function csvRow({ time, value, quality }: Point): string {
  return `${time},${csvField(value)},${quality}\n`
}

/** RFC 4180. A text that a spreadsheet would take for a formula stays a text. */
function csvField(value: JsonValue): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless
}

export function csvFileName(device: string, metric: string, { from, to }: TimeWindow): string {
  const day = (time: number) => new Date(time).toISOString().slice(0, 16).replace(/[-:]/g, '')
  return `${`${device}_${metric}`.replace(/[^\w.-]+/g, '-')}_${day(from)}_${day(to)}.csv`
}
