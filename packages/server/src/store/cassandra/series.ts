import type { ValueType } from '@drover/protocol'
import type { types } from 'cassandra-driver'
import type { QualityCode } from '../points.ts'
import type { LatestValue, Series, SeriesState } from '../store.ts'
import { concurrently } from './concurrently.ts'
import { groupOf } from './schema.ts'
import type { Ask, Session, Statement } from './session.ts'

const readsAtATime = 32

interface SeriesRow {
  readonly device: types.Long
  readonly metric: string
  readonly id: number
  readonly tenant: number
  readonly type: string
  readonly unit: string | null
}

/** In the order of their ids. */
export async function findSeries(ask: Ask, deviceUids: readonly number[]): Promise<Series[]> {
  const found: Series[] = []
  const groups = [...Map.groupBy(new Set(deviceUids), groupOf)]
  await concurrently(groups, readsAtATime, async ([group, uids]) => {
    const rows = await ask.rows<SeriesRow>(
      'SELECT device, metric, id, tenant, type, unit FROM series WHERE device_group = ? AND device IN ?',
      [group, uids],
    )
    for (const row of rows) found.push(seriesOf(row))
  })
  return found.sort((a, b) => a.id - b.id)
}

function seriesOf({ id, tenant, device, metric, type, unit }: SeriesRow): Series {
  return { id, tenant, deviceUid: device.toNumber(), metric, type: type as ValueType, unit }
}

interface LatestRow {
  readonly series: number
  readonly time: types.Long
  readonly point: types.Tuple
}

export async function findLatest(ask: Ask, deviceUids: readonly number[]): Promise<SeriesState[]> {
  const series = await findSeries(ask, deviceUids)
  const latest = new Map<number, LatestValue>()
  const groups = [...Map.groupBy(series, ({ id }) => groupOf(id))]
  await concurrently(groups, readsAtATime, async ([group, members]) => {
    const rows = await ask.rows<LatestRow>(
      'SELECT series, time, point FROM latest WHERE series_group = ? AND series IN ?',
      [group, members.map(({ id }) => id)],
    )
    for (const row of rows) latest.set(row.series, latestOf(row))
  })
  return series.map((one) => ({ ...one, latest: latest.get(one.id) }))
}

function latestOf({ time, point }: LatestRow): LatestValue {
  const [, quality, number, text] = point.values() as [unknown, QualityCode, number | null, string | null]
  return { timeMicros: time.toNumber(), value: number ?? text!, quality }
}

/** Ids that this writer may use, and what its series are called in the store. */
export class SeriesIds {
  readonly #session: Session
  /** Ids below are taken. */
  #reservedTo = 0
  /** Series that another processor had begun before, by the id that this one gave them. */
  readonly aliases = new Map<number, number>()

  constructor(session: Session) {
    this.#session = session
  }

  async reserve(count: number): Promise<{ first: number; count: number }> {
    const first = await this.#advance((next) => next, count)
    return { first, count }
  }

  /** Agreement of the replicas: once in thousands of new series. */
  async #advance(from: (next: number) => number, count: number): Promise<number> {
    const update = 'UPDATE series_ids SET next = ? WHERE name = ? IF next = ?'
    const found = await this.#session.rows<{ next: number }>('SELECT next FROM series_ids WHERE name = ?', [
      'series',
    ])
    for (let next = found[0]?.next ?? null; ; ) {
      const first = from(next ?? 1)
      const { applied, current } = await this.#session.propose<{ next: number | null }>([
        { query: update, params: [first + count, 'series', next] },
      ])
      if (applied) {
        this.#reservedTo = Math.max(this.#reservedTo, first + count)
        return first
      }
      next = current[0]?.next ?? null
    }
  }

  /**
   * Of the same metric of the same device, the series that was there first counts. Agreement of the replicas: once a
   * series.
   */
  async begin(series: readonly Series[]): Promise<void> {
    if (series.length === 0) return
    const end = Math.max(...series.map(({ id }) => id)) + 1
    if (end > this.#reservedTo) await this.#advance((next) => Math.max(next, end), 0)
    const groups = [...Map.groupBy(series, ({ deviceUid }) => groupOf(deviceUid)).values()]
    await concurrently(groups, readsAtATime, async (members) => {
      const { applied } = await this.#session.propose(members.map(insert))
      if (!applied) for (const one of members) await this.#beginOne(one)
    })
  }

  async #beginOne(series: Series): Promise<void> {
    const { applied, current } = await this.#session.propose<SeriesRow>([insert(series)])
    const id = current[0]?.id
    if (!applied && id !== undefined && id !== series.id) this.aliases.set(series.id, id)
  }
}

function insert({ id, tenant, deviceUid, metric, type, unit }: Series): Statement {
  return {
    query: `INSERT INTO series (device_group, device, metric, id, tenant, type, unit)
      VALUES (?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS`,
    params: [groupOf(deviceUid), deviceUid, metric, id, tenant, type, unit],
  }
}
