import { duckdbError } from './errors.ts'
import { writeMeta } from './ledger.ts'
import type { StoreState } from './state.ts'

/** Hides all that a device sent; its points leave the segments when those are rewritten. */
export function deleteDevice(state: StoreState, deviceUid: number): Promise<void> {
  const { catalog, changes, keys, latest, ledger, lock, quarantine, writing } = state
  return lock.run(async () => {
    const series = catalog.ofDevices([deviceUid])
    await ledger.transaction(
      (db) => {
        // A segment that is being written may hold points of series that the ledger does not have yet.
        const bury = db.prepare('INSERT OR IGNORE INTO tombstones VALUES (?, ?)')
        for (const { id, metric } of series) bury.run(id, metric)
        for (const table of ['series', 'quarantine', 'quarantine_dropped', 'message_keys'])
          db.prepare(`DELETE FROM ${table} WHERE device_uid = ?`).run(deviceUid)
        writeMeta(db, 'seriesNext', catalog.next)
      },
      () => {
        for (const { id } of series) latest.removeSeries(id)
        catalog.deleteDevice(deviceUid)
        keys.forgetDevice(deviceUid)
        quarantine.forgetDevice(deviceUid)
        for (const each of changes) each.forgetDevice(deviceUid)
      },
    )
    if (series.length === 0) return
    try {
      await writing.run(`DELETE FROM series WHERE id IN (${series.map(({ id }) => id).join()})`)
    } catch (error) {
      throw await duckdbError(writing, error)
    }
  })
}
