import type { Device, DevicePatch } from '@drover/protocol'
import { type Actor, record } from '../access/actor.ts'
import { type DeviceRecord, tagSet } from '../model/device.ts'
import type { DeviceContext } from './context.ts'
import { parentUidOf, requireProfile } from './create.ts'
import { cutOff } from './cut-off.ts'
import { presentDevice } from './present.ts'
import { requireDevice } from './resolve.ts'

/**
 * Changes what the patch names. A device that becomes suspended is cut off at once. Rejects with `badIdentifier`,
 * `notFound` for the device, its profile or its parent.
 */
export async function updateDevice(
  context: DeviceContext,
  actor: Actor,
  id: string,
  patch: DevicePatch,
): Promise<Device> {
  const { registry, clock, storage, presence, deviceAccess } = context
  const atMicros = clock.nowMicros()
  const device = await registry.transaction(async (tables) => {
    const before = await requireDevice(tables, actor.tenant, id)
    const after = patched(before, patch, atMicros)
    if (after.profile !== before.profile) await requireProfile(tables, actor.tenant, after.profile)
    const parentUid = await parentUidOf(tables, actor.tenant, id, after.parent)
    await tables.devices.update(after, parentUid, atMicros)
    const details = { fields: Object.keys(patch).join(' ') }
    await tables.audit.add(record(actor, 'device.update', id, details), atMicros)
    return after
  })
  deviceAccess.forgetDevice(device.uid)
  await storage.devicesChanged([device.uid])
  if (device.state === 'suspended') await cutOff(() => presence.closeDevice(device.uid, 'deviceSuspended'))
  return presentDevice(presence, device)
}

function patched(device: DeviceRecord, patch: DevicePatch, atMicros: number): DeviceRecord {
  const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined))
  const changed = { ...device, ...given, updatedAtMicros: atMicros }
  return { ...changed, tags: tagSet(changed.tags) }
}
