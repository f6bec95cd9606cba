import type { StoreState } from './state.ts'
import { transaction } from './transaction.ts'

/** Hides all that a device sent; its points leave the segments when those are rewritten. */
export async function deleteDevice(state: StoreState, deviceUid: number): Promise<void> {
  const { catalog, latest, keys, quarantine } = state
  const uid = Math.trunc(deviceUid)
  await transaction(
    state,
    (connection) =>
      connection.run(
        `INSERT INTO tombstones SELECT id, metric FROM series WHERE device_uid = ${uid};
         DELETE FROM series WHERE device_uid = ${uid}; DELETE FROM quarantine WHERE device_uid = ${uid};
         DELETE FROM quarantine_dropped WHERE device_uid = ${uid};
         DELETE FROM message_keys WHERE device_uid = ${uid};`,
      ),
    () => {
      for (const { id } of catalog.ofDevices([uid])) latest.removeSeries(id)
      catalog.deleteDevice(uid)
      keys.forgetDevice(uid)
      quarantine.forgetDevice(uid)
    },
  )
}
