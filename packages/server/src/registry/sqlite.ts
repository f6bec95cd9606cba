import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { type Dialect, SqliteDialect, type SqliteStatement } from 'kysely'
import type { ColumnTypes } from './migrations.ts'

/** Prepared statements that are kept; the registry has about a hundred different ones. */
const statementsKeptMax = 500

export interface SqliteOptions {
  /** A file, or `:memory:`. */
  readonly path: string
  readonly readOnly?: boolean
}

export const sqliteTypes: ColumnTypes = {
  number: 'integer',
  counting: (column) => column.autoIncrement(),
  key: 'text',
  bytes: 'blob',
}

/** Kysely's SQLite dialect over Node's own SQLite. */
export function sqliteDialect(database: DatabaseSync): Dialect {
  const statements = new Map<string, SqliteStatement>()
  const prepare = (text: string): SqliteStatement => {
    const kept = statements.get(text)
    if (kept) return kept
    if (statements.size >= statementsKeptMax) statements.delete(statements.keys().next().value!)
    const statement = prepareFor(database, text)
    statements.set(text, statement)
    return statement
  }
  const close = () => {
    statements.clear()
    database.close()
  }
  return new SqliteDialect({ database: { prepare, close } })
}

function prepareFor(database: DatabaseSync, text: string): SqliteStatement {
  const statement = database.prepare(text)
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...(parameters as SQLInputValue[])),
    run: (parameters) => statement.run(...(parameters as SQLInputValue[])),
    iterate: (parameters) => statement.iterate(...(parameters as SQLInputValue[])),
  }
}

/** Rejects what breaks a reference; a commit is durable (WAL, synchronous=FULL). */
export function openSqlite({ path, readOnly = false }: SqliteOptions): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly, enableForeignKeyConstraints: true, timeout: 5_000 })
  if (!readOnly) database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  // Pages of the database kept in memory, in KiB.
  database.exec('PRAGMA cache_size = -32768')
  return database
}
