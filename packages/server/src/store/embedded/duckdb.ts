import {
  BIGINT,
  BLOB,
  BOOLEAN,
  DOUBLE,
  DuckDBBlobValue,
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBInstance,
  type DuckDBMaterializedResult,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
  INTEGER,
  TIMESTAMP,
  UTINYINT,
  VARCHAR,
} from '@duckdb/node-api'
import bindings from '@duckdb/node-bindings'

/** The only file that knows DuckDB's client. Values cross in columns of typed arrays, without an object a row. */
export interface DatabaseOptions {
  readonly threads: number
  readonly memoryLimitBytes: number
  /** The folder for what does not fit into memory. */
  readonly temporaryDirectory: string
}

export interface Database {
  connect(): Promise<Connection>
  close(): void
}

/** A database in memory. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(options.threads),
    memory_limit: `${options.memoryLimitBytes}B`,
    temp_directory: options.temporaryDirectory,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  })
  const connection = await instance.connect()
  await connection.run('SET GLOBAL parquet_metadata_cache = true')
  connection.closeSync()
  return {
    connect: async () => new Connection(await instance.connect()),
    close: () => instance.closeSync(),
  }
}

const columnTypes = {
  boolean: BOOLEAN,
  integer: INTEGER,
  bigint: BIGINT,
  double: DOUBLE,
  tiny: UTINYINT,
  timestamp: TIMESTAMP,
  text: VARCHAR,
  blob: BLOB,
} as const satisfies Record<string, DuckDBType>
export type ColumnType = keyof typeof columnTypes

/** Bytes a value, of the types that typed arrays are copied to. */
const widths: Partial<Record<ColumnType, number>> = {
  integer: 4,
  bigint: 8,
  double: 8,
  tiny: 1,
  timestamp: 8,
}

/** 64-bit integers may come as halves (low, high) in a Uint32Array. */
type TypedColumn = Int32Array | Float64Array | Uint8Array | BigInt64Array | Uint32Array
/** A typed array for numbers; an array for texts, booleans and blobs, with null where there is none. */
export type ColumnValues = TypedColumn | readonly (string | boolean | Uint8Array | null)[]

export interface AppendColumn {
  readonly type: ColumnType
  readonly values: ColumnValues
}

/** A result's column: numbers as doubles or integers (NULL is NaN), texts and blobs as values. */
export type ResultColumn = Int32Array | Float64Array | Uint8Array | readonly (string | Uint8Array | null)[]

const rowsPerChunk = bindings.vector_size()

export class Connection {
  readonly #connection: DuckDBConnection

  constructor(connection: DuckDBConnection) {
    this.#connection = connection
  }

  /** Runs statements; answers how many rows the last one changed. */
  async run(sql: string): Promise<number> {
    return (await this.#connection.run(sql)).rowsChanged
  }

  /** The result in columns; the statement casts them to INTEGER, DOUBLE, UTINYINT, VARCHAR or BLOB. */
  async columns(sql: string): Promise<ResultColumn[]> {
    return resultColumns(await this.#connection.run(sql))
  }

  /** Appends the first `length` rows within the transaction that is open. */
  async append(table: string, length: number, columns: readonly AppendColumn[]): Promise<void> {
    if (length === 0) return
    const appender = await this.#connection.createAppender(table)
    const chunk = DuckDBDataChunk.create(columns.map(({ type }) => columnTypes[type]))
    for (let from = 0; from < length; from += rowsPerChunk) {
      const rows = Math.min(rowsPerChunk, length - from)
      chunk.reset()
      chunk.rowCount = rows
      for (const [index, column] of columns.entries()) fillVector(chunk, index, column, from, rows)
      appender.appendDataChunk(chunk)
    }
    appender.closeSync()
  }

  /** Stops the statement that runs now; its promise rejects. */
  interrupt(): void {
    this.#connection.interrupt()
  }

  close(): void {
    this.#connection.closeSync()
  }
}

function fillVector(
  chunk: DuckDBDataChunk,
  index: number,
  { type, values }: AppendColumn,
  from: number,
  rows: number,
): void {
  if (ArrayBuffer.isView(values)) {
    const width = widths[type] ?? values.BYTES_PER_ELEMENT
    bindings.copy_data_to_vector(
      bindings.data_chunk_get_vector(chunk.chunk, index),
      0,
      values.buffer as ArrayBuffer,
      values.byteOffset + from * width,
      rows * width,
    )
    return
  }
  chunk.setColumnValues(index, values.slice(from, from + rows).map(duckdbValue))
}

function duckdbValue(value: string | boolean | Uint8Array | null): DuckDBValue {
  return value instanceof Uint8Array ? new DuckDBBlobValue(value) : value
}

function resultColumns(result: DuckDBMaterializedResult): ResultColumn[] {
  const chunks = Array.from({ length: result.chunkCount }, (_, index) => result.getChunk(index))
  return Array.from({ length: result.columnCount }, (_, index) => {
    switch (result.columnTypeId(index)) {
      case DuckDBTypeId.INTEGER:
        return gather(chunks, index, new Int32Array(result.rowCount))
      case DuckDBTypeId.UTINYINT:
        return gather(chunks, index, new Uint8Array(result.rowCount))
      case DuckDBTypeId.DOUBLE:
        return gatherNullable(chunks, index, new Float64Array(result.rowCount))
      default:
        return chunks.flatMap((chunk) => chunk.getColumnValues(index).map(plainValue))
    }
  })
}

function plainValue(value: DuckDBValue): string | Uint8Array | null {
  if (value === null || typeof value === 'string') return value
  if (value instanceof DuckDBBlobValue) return Uint8Array.from(value.bytes)
  throw new TypeError(`A result holds a value that is neither text nor blob: ${String(value)}`)
}

function gather<T extends Int32Array | Float64Array | Uint8Array>(
  chunks: readonly DuckDBDataChunk[],
  index: number,
  target: T,
): T {
  const bytes = new Uint8Array(target.buffer)
  let at = 0
  for (const chunk of chunks) {
    const size = chunk.rowCount * target.BYTES_PER_ELEMENT
    bytes.set(bindings.vector_get_data(bindings.data_chunk_get_vector(chunk.chunk, index), size), at)
    at += size
  }
  return target
}

function gatherNullable(
  chunks: readonly DuckDBDataChunk[],
  index: number,
  target: Float64Array,
): Float64Array {
  gather(chunks, index, target)
  let at = 0
  for (const chunk of chunks) {
    const rows = chunk.rowCount
    const vector = bindings.data_chunk_get_vector(chunk.chunk, index)
    const valid = bindings.vector_get_validity(vector, Math.ceil(rows / 64) * 8)
    if (valid) for (let row = 0; row < rows; row++) if (!bit(valid, row)) target[at + row] = Number.NaN
    at += rows
  }
  return target
}

function bit(bits: Uint8Array, index: number): boolean {
  return ((bits[index >> 3]! >> (index & 7)) & 1) === 1
}

/** A text as SQL writes it. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
