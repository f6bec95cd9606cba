import { dayMicros } from '../micros.ts'
import type { Database, Session } from './database.ts'
import { lockSql } from './locks.ts'

/** Tables of points, by kind: numbers and texts. */
export const pointTables = ['points', 'texts'] as const
export type PointTable = (typeof pointTables)[number]

export interface Partition {
  /** With its schema, quoted. */
  readonly name: string
  /** µs since 1970, included. */
  readonly from: number
  /** Excluded. */
  readonly to: number
}

/** How the tables of points are divided by time. */
export interface Partitions {
  readonly widthMicros: number
  /** What the tables are made with. */
  readonly clause: string
  /** After the tables were made, in the same transaction. */
  prepare(session: Session): Promise<void>
  startOf(timeMicros: number): number
  /** Sees to it that there are some for points from these starts on. */
  make(starts: Iterable<number>): Promise<void>
  /** Some may have been dropped by another process. */
  forget(): void
  of(session: Session, table: PointTable): Promise<Partition[]>
  drop(session: Session, table: PointTable, partition: Partition): Promise<void>
  /** `points` is an estimate. */
  size(session: Session): Promise<{ count: number; bytes: number; points: number }>
}

/** Declarative partitions of PostgreSQL, made when points need them. */
export class NativePartitions implements Partitions {
  readonly #known = new Set<number>()
  readonly #database: Database
  readonly #schema: string
  readonly widthMicros: number
  readonly clause = 'PARTITION BY RANGE (time)'

  constructor(database: Database, schema: string, days: number) {
    this.#database = database
    this.#schema = schema
    this.widthMicros = days * dayMicros
  }

  async prepare(): Promise<void> {}

  startOf(timeMicros: number): number {
    return timeMicros - (timeMicros % this.widthMicros)
  }

  /** In a transaction of its own: nobody who reads has to wait for the write that follows. */
  async make(starts: Iterable<number>): Promise<void> {
    const missing = [...starts].filter((start) => !this.#known.has(start))
    if (missing.length === 0) return
    await this.#database.transaction(async (session) => {
      await session.statements(lockSql('tables', this.#schema))
      for (const table of pointTables) {
        const there = new Set((await this.of(session, table)).map(({ from }) => from))
        for (const start of missing)
          if (!there.has(start)) await session.statements(this.#createSql(table, start))
      }
    })
    for (const start of missing) this.#known.add(start)
  }

  forget(): void {
    this.#known.clear()
  }

  async of(session: Session, table: PointTable): Promise<Partition[]> {
    const rows = await session.rows<{ name: string; bounds: string }>(
      `SELECT relname AS name, pg_get_expr(relpartbound, oid) AS bounds FROM pg_class
       JOIN pg_inherits ON inhrelid = oid WHERE inhparent = $1::regclass`,
      [`${this.#schema}.${table}`],
    )
    return rows.map(({ name, bounds }) => {
      const [from, to] = [...bounds.matchAll(/\('?(\d+)'?\)/g)].map(([, digits]) => Number(digits))
      return { name: `${this.#schema}.${name}`, from: from!, to: to! }
    })
  }

  async drop(session: Session, _table: PointTable, { name }: Partition): Promise<void> {
    await session.statements(`DROP TABLE ${name}`)
  }

  async size(session: Session): Promise<{ count: number; bytes: number; points: number }> {
    const names = []
    for (const table of pointTables) names.push(...(await this.of(session, table)).map(({ name }) => name))
    const [row] = await session.rows<{ points: number; bytes: number }>(
      `SELECT coalesce(sum(pg_stat_get_live_tuples(name::regclass)), 0)::bigint AS points,
         coalesce(sum(pg_total_relation_size(name::regclass)), 0)::bigint AS bytes FROM unnest($1::text[]) AS name`,
      [names],
    )
    return { count: names.length, ...row! }
  }

  /** Attaching locks out nobody, unlike making it a partition at once. */
  #createSql(table: PointTable, start: number): string {
    const parent = `${this.#schema}.${table}`
    const child = `${parent}_${start / dayMicros}`
    return `CREATE TABLE ${child} (LIKE ${parent});
      ALTER TABLE ${parent} ATTACH PARTITION ${child} FOR VALUES FROM (${start}) TO (${start + this.widthMicros})`
  }
}
