import { CompiledQuery } from 'kysely'

/** Parameters of one statement: SQLite takes 32,766, PostgreSQL 65,535; past some thousand nothing is gained. */
const parametersMax = 2_000

/** A statement that holds `rows` rows of any values: its text is used, its parameters are replaced. */
export type CompileRows = (rows: number) => CompiledQuery

/** Numbers of rows in successive statements for `count` rows of `columns` values each. */
function* portions(count: number, columns: number): Generator<number> {
  const most = Math.max(1, Math.floor(parametersMax / columns))
  for (let left = count; left > 0; left -= most) yield Math.min(most, left)
}

/**
 * Statements that carry all rows, many in each. Compiling a query of a thousand values takes longer than running it, so
 * one text is compiled for all full statements and one for the rest.
 */
export function* bulkStatements(
  rows: readonly (readonly unknown[])[],
  compile: CompileRows,
): Generator<CompiledQuery> {
  const texts = new Map<number, string>()
  let at = 0
  for (const count of portions(rows.length, rows[0]?.length ?? 1)) {
    const text = texts.get(count) ?? compile(count).sql
    texts.set(count, text)
    yield CompiledQuery.raw(text, rows.slice(at, at + count).flat())
    at += count
  }
}
