import { errorTable, isDroverError } from '@drover/protocol'
import { type Actor, record } from '../access/actor.ts'
import type { DeviceContext } from './context.ts'
import { cutOff } from './cut-off.ts'
import { requireDevice } from './resolve.ts'

/**
 * Deletes the device with its tokens, closes its sessions and hides its points at once. Rejects with `badIdentifier`,
 * `notFound`.
 */
export async function deleteDevice(context: DeviceContext, actor: Actor, id: string): Promise<void> {
  const { registry, clock, presence, deviceAccess } = context
  const atMicros = clock.nowMicros()
  const uid = await registry.transaction(async (tables) => {
    const device = await requireDevice(tables, actor.tenant, id)
    await tables.devices.delete(device.uid, atMicros)
    await tables.audit.add(record(actor, 'device.delete', id, { uid: device.uid }), atMicros)
    return device.uid
  })
  deviceAccess.forgetDevice(uid)
  await cutOff(() => presence.closeDevice(uid, 'deviceDeleted'))
  await removePoints(context, uid).catch((error) => {
    // The device is gone for everybody; its points are removed by `resumeDeletions`.
    if (!isDroverError(error) || !errorTable[error.code].retryable) throw error
  })
}

type RemovalContext = Pick<DeviceContext, 'registry' | 'storage'>

/** Nobody reaches points of a device that the registry does not know; this has the store remove them. */
async function removePoints({ registry, storage }: RemovalContext, uid: number): Promise<void> {
  await storage.devicesChanged([uid])
  await storage.deleteDevice(uid)
  await registry.devices.deletionDone(uid)
}

/** Finishes deletions that a crash, or a store that did not answer, cut short. Called at the start. */
export async function resumeDeletions(context: RemovalContext): Promise<void> {
  for (const uid of await context.registry.devices.pendingDeletions()) await removePoints(context, uid)
}
