export type Cell = string | number | boolean | null | undefined

/** Lines of columns as wide as their widest cell; numbers to the right. Empty text for no rows. */
export function formatTable(titles: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const cells = [titles, ...rows.map((row) => row.map(formatCell))]
  const widths = titles.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)))
  const numeric = titles.map((_, column) => rows.every((row) => isNumberOrEmpty(row[column])))
  const lines = cells.map((row) =>
    widths
      .map((width, column) =>
        numeric[column] ? (row[column] ?? '').padStart(width) : (row[column] ?? '').padEnd(width),
      )
      .join('  ')
      .trimEnd(),
  )
  return `${lines.join('\n')}\n`
}

function isNumberOrEmpty(cell: Cell): boolean {
  return typeof cell === 'number' || cell === null || cell === undefined
}

function formatCell(cell: Cell): string {
  if (cell === null || cell === undefined) return ''
  return typeof cell === 'number' ? formatNumber(cell) : String(cell)
}

/** At most six digits after the point: a measured value, not the noise of its binary form. */
export function formatNumber(value: number): string {
  return Number.isInteger(value) ? String(value) : String(Number(value.toFixed(6)))
}

/** One line of CSV (RFC 4180). */
export function formatCsvLine(cells: readonly Cell[]): string {
  return `${cells.map((cell) => quoteCsv(cell === null || cell === undefined ? '' : String(cell))).join(',')}\n`
}

function quoteCsv(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

export function formatJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
