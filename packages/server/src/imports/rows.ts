import { DroverError, limits } from '@drover/protocol'
import { parse } from 'csv-parse'

/** A row of an import: what it holds, or why it could not be read. */
export type ImportRow = { readonly row: number } & (
  | { readonly value: unknown }
  | { readonly error: DroverError }
)

const columns = [
  'id',
  'profile',
  'name',
  'tags',
  'latitude',
  'longitude',
  'elevation',
  'parent',
  'state',
] as const
type Column = (typeof columns)[number]

/** Tags in one cell of a CSV are separated by it. */
const tagSeparator = ';'

/**
 * Rows of a CSV with a header (`id`, and any of `profile name tags latitude longitude elevation parent state`; tags
 * separated by `;`), as input for devices. Rejects with `badRequest` when the header or the quoting is wrong.
 */
export async function* csvRows(body: Uint8Array): AsyncGenerator<ImportRow> {
  const options = { bom: true, trim: true, skip_empty_lines: true, relax_column_count: true }
  const parser = parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength), options)
  let header: Column[] | undefined
  let row = 0
  try {
    for await (const cells of parser as AsyncIterable<string[]>) {
      if (header) yield csvRow(++row, header, cells)
      else header = headerOf(cells)
    }
  } catch (error) {
    if (error instanceof DroverError) throw error
    throw new DroverError('badRequest', { reason: `the CSV cannot be read: ${(error as Error).message}` })
  }
}

function headerOf(cells: readonly string[]): Column[] {
  const names = cells.map((cell) => cell.toLowerCase())
  const known = new Set<string>(columns)
  const unknown = names.find((name) => !known.has(name))
  if (unknown !== undefined)
    throw new DroverError('badRequest', {
      reason: `the CSV has an unknown column ${JSON.stringify(unknown)}; there are ${columns.join(', ')}`,
    })
  if (!names.includes('id')) throw new DroverError('badRequest', { reason: 'the CSV has no column id' })
  return names as Column[]
}

function csvRow(row: number, header: readonly Column[], cells: readonly string[]): ImportRow {
  if (cells.length > header.length) {
    const reason = `the row has ${cells.length} cells, the header ${header.length}`
    return { row, error: new DroverError('badRequest', { reason }) }
  }
  const filled = header.flatMap((name, at) => (cells[at] ? [[name, cells[at]] as const] : []))
  const { tags, latitude, longitude, elevation, ...rest } = Object.fromEntries(filled) as Partial<
    Record<Column, string>
  >
  const value: Record<string, unknown> = { ...rest }
  if (tags !== undefined)
    value.tags = tags
      .split(tagSeparator)
      .map((tag) => tag.trim())
      .filter((tag) => tag !== '')
  if (latitude !== undefined || longitude !== undefined) {
    const location = { latitude: Number(latitude), longitude: Number(longitude) }
    value.location = elevation === undefined ? location : { ...location, elevation: Number(elevation) }
  }
  return { row, value }
}

/** Rows of JSON lines: one device a line; empty lines are skipped. */
export async function* jsonRows(body: Uint8Array): AsyncGenerator<ImportRow> {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')
  let row = 0
  for (const line of text.replace(/^\uFEFF/, '').split('\n'))
    if (line.trim() !== '') yield jsonRow(++row, line)
}

function jsonRow(row: number, line: string): ImportRow {
  try {
    return { row, value: JSON.parse(line) }
  } catch {
    return { row, error: new DroverError('badRequest', { reason: 'the line is not JSON' }) }
  }
}

/** Throws `queryTooLarge` past the limit of rows. */
export async function* atMost(rows: AsyncIterable<ImportRow>): AsyncGenerator<ImportRow> {
  for await (const row of rows) {
    if (row.row > limits.importRowsMax)
      throw new DroverError('queryTooLarge', { limit: limits.importRowsMax, unit: 'rows' })
    yield row
  }
}
