import { DroverError } from '@drover/protocol'
import { dayMicros } from '../micros.ts'
import { type Session, sqlState } from './database.ts'
import { type Partition, type Partitions, type PointTable, pointTables } from './partitions.ts'

/** The first release whose compressed chunks take INSERT … ON CONFLICT DO UPDATE. */
const oldestMajor = 2
const oldestMinor = 11
/** Chunks older than it are compressed; points for them are still taken. */
const compressAfterMicros = 14 * dayMicros

/** Hypertables of TimescaleDB: it makes the chunks by itself and, where its edition can, compresses old ones. */
export class Hypertables implements Partitions {
  readonly #schema: string
  readonly #onNotice: (notice: string) => void
  readonly widthMicros: number
  readonly clause = ''

  constructor(schema: string, days: number, onNotice: (notice: string) => void) {
    this.#schema = schema
    this.#onNotice = onNotice
    this.widthMicros = days * dayMicros
  }

  /** Rejects with `badConfiguration` when the server has no TimescaleDB, or one that is too old. */
  async prepare(session: Session): Promise<void> {
    await this.#checkVersion(session)
    for (const table of pointTables)
      await session.run(
        `SELECT create_hypertable($1::regclass, by_range('time', $2::bigint), if_not_exists => true,
           create_default_indexes => false)`,
        [`${this.#schema}.${table}`, this.widthMicros],
      )
    const [row] = await session.arrays(`SELECT current_setting('timescaledb.license', true)`)
    if (row![0] === 'timescale') await this.#compress(session)
    else
      this.#onNotice(
        'This edition of TimescaleDB (Apache) does not compress: points take the room that they take in PostgreSQL.',
      )
  }

  startOf(timeMicros: number): number {
    return timeMicros - (timeMicros % this.widthMicros)
  }

  async make(): Promise<void> {}

  forget(): void {}

  async of(session: Session, table: PointTable): Promise<Partition[]> {
    return session.rows<{ name: string; from: number; to: number }>(
      `SELECT format('%I.%I', chunk_schema, chunk_name) AS name, range_start_integer AS "from",
         range_end_integer AS "to" FROM timescaledb_information.chunks
       WHERE format('%I.%I', hypertable_schema, hypertable_name)::regclass = $1::regclass`,
      [`${this.#schema}.${table}`],
    )
  }

  async drop(session: Session, table: PointTable, { from, to }: Partition): Promise<void> {
    await session.run(
      'SELECT drop_chunks($1::regclass, older_than => $2::bigint, newer_than => $3::bigint)',
      [`${this.#schema}.${table}`, to, from],
    )
  }

  async size(session: Session): Promise<{ count: number; bytes: number; points: number }> {
    const total = { count: 0, bytes: 0, points: 0 }
    for (const table of pointTables) {
      const [row] = await session.rows<{ bytes: number | null; points: number | null }>(
        'SELECT hypertable_size($1::regclass) AS bytes, approximate_row_count($1::regclass) AS points',
        [`${this.#schema}.${table}`],
      )
      total.count += (await this.of(session, table)).length
      total.bytes += row!.bytes ?? 0
      total.points += row!.points ?? 0
    }
    return total
  }

  async #checkVersion(session: Session): Promise<void> {
    try {
      await session.statements('SAVEPOINT extension; CREATE EXTENSION IF NOT EXISTS timescaledb')
    } catch (error) {
      if (sqlState(error) === undefined) throw error
      throw new DroverError('badConfiguration', {
        reason: `the server has no TimescaleDB (${(error as Error).message}); install it, or use postgres://`,
      })
    }
    const [row] = await session.arrays(`SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'`)
    const version = row![0] as string
    const [major = 0, minor = 0] = version.split('.').map(Number)
    if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor))
      throw new DroverError('badConfiguration', {
        reason: `TimescaleDB ${version} is too old; Drover needs ${oldestMajor}.${oldestMinor} or newer`,
      })
  }

  async #compress(session: Session): Promise<void> {
    const now = `${this.#schema}.now_micros`
    await session.statements(`CREATE OR REPLACE FUNCTION ${now}() RETURNS bigint LANGUAGE sql STABLE
      AS 'SELECT (extract(epoch FROM now()) * 1000000)::bigint'`)
    for (const table of pointTables) {
      const name = `${this.#schema}.${table}`
      await session.run('SELECT set_integer_now_func($1::regclass, $2::regproc, replace_if_exists => true)', [
        name,
        now,
      ])
      const [row] = await session.arrays(
        `SELECT compression_enabled FROM timescaledb_information.hypertables
         WHERE format('%I.%I', hypertable_schema, hypertable_name)::regclass = $1::regclass`,
        [name],
      )
      if (row![0] !== true)
        await session.statements(`ALTER TABLE ${name} SET (timescaledb.compress,
          timescaledb.compress_segmentby = 'series', timescaledb.compress_orderby = 'time')`)
      await session.run(
        'SELECT add_compression_policy($1::regclass, compress_after => $2::bigint, if_not_exists => true)',
        [name, compressAfterMicros],
      )
    }
  }
}
