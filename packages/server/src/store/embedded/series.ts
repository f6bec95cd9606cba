import type { DatabaseSync } from 'node:sqlite'
import type { ValueType } from '@drover/protocol'
import type { Series } from '../store.ts'
import { readMeta } from './ledger.ts'

/** All series that exist, in memory. A series that was deleted is known by its tombstone until its points are gone. */
export class SeriesCatalog {
  readonly #byId = new Map<number, Series>()
  readonly #byDevice = new Map<number, Series[]>()
  readonly #countByMetric = new Map<string, number>()
  /** Metric by id of deleted series whose points may still be in segments. */
  readonly #tombstones = new Map<number, string>()
  readonly #deletedDevices = new Set<number>()
  #next = 1

  /** The next id that was never given away. */
  get next(): number {
    return this.#next
  }

  get count(): number {
    return this.#byId.size
  }

  get tombstones(): ReadonlyMap<number, string> {
    return this.#tombstones
  }

  reserve(count: number): number {
    const first = this.#next
    this.#next += count
    return first
  }

  /** Ids up to this one were given away. */
  used(id: number): void {
    this.#next = Math.max(this.#next, id + 1)
  }

  get(id: number): Series | undefined {
    return this.#byId.get(id)
  }

  all(): IterableIterator<Series> {
    return this.#byId.values()
  }

  ofDevices(deviceUids: readonly number[]): Series[] {
    return deviceUids.flatMap((uid) => this.#byDevice.get(uid) ?? [])
  }

  countOfMetric(metric: string): number {
    return this.#countByMetric.get(metric) ?? 0
  }

  isDeletedDevice(deviceUid: number): boolean {
    return this.#deletedDevices.has(deviceUid)
  }

  add(series: Series): void {
    if (this.#byId.has(series.id)) return
    this.used(series.id)
    this.#byId.set(series.id, series)
    const siblings = this.#byDevice.get(series.deviceUid)
    if (siblings) siblings.push(series)
    else this.#byDevice.set(series.deviceUid, [series])
    this.#countByMetric.set(series.metric, this.countOfMetric(series.metric) + 1)
  }

  deleteDevice(deviceUid: number): void {
    this.#deletedDevices.add(deviceUid)
    for (const series of this.#byDevice.get(deviceUid) ?? []) {
      this.#byId.delete(series.id)
      this.#countByMetric.set(series.metric, this.countOfMetric(series.metric) - 1)
      this.#tombstones.set(series.id, series.metric)
    }
    this.#byDevice.delete(deviceUid)
  }

  addTombstone(id: number, metric: string): void {
    this.used(id)
    this.#tombstones.set(id, metric)
  }

  removeTombstones(ids: Iterable<number>): void {
    for (const id of ids) this.#tombstones.delete(id)
  }
}

export function loadSeries(db: DatabaseSync): SeriesCatalog {
  const catalog = new SeriesCatalog()
  catalog.used(Number(readMeta(db, 'seriesNext') ?? 1) - 1)
  const series = db.prepare('SELECT id, tenant, device_uid, metric, type, unit FROM series ORDER BY id')
  for (const { id, tenant, device_uid, metric, type, unit } of series.iterate())
    catalog.add({
      id: Number(id),
      tenant: Number(tenant),
      deviceUid: Number(device_uid),
      metric: String(metric),
      type: type as ValueType,
      unit: unit as string | null,
    })
  for (const { series: id, metric } of db.prepare('SELECT series, metric FROM tombstones').iterate())
    catalog.addTombstone(Number(id), String(metric))
  return catalog
}
