import { DroverError, isIdentifier, limits } from '@drover/protocol'
import type { DeviceRecord } from '../model/device.ts'
import type { DeviceFilter, DeviceName } from '../registry/devices.ts'
import type { Registry } from '../registry/registry.ts'

/** The device of that id. Rejects with `badIdentifier`, `notFound`. */
export async function requireDevice(
  registry: Pick<Registry, 'devices'>,
  tenant: number,
  id: string,
): Promise<DeviceRecord> {
  if (!isIdentifier(id)) throw new DroverError('badIdentifier', { id: JSON.stringify(id.slice(0, 200)) })
  const device = await registry.devices.get(tenant, id)
  if (!device) throw new DroverError('notFound', { kind: 'device', id })
  return device
}

/** Devices by id, by tag, by profile; where several are given, those that meet all. */
export interface DeviceSelection {
  readonly devices?: readonly string[]
  readonly tag?: string
  readonly profile?: string
}

/**
 * The selected devices, in the order of their ids. Rejects with `badRequest` when nothing is asked for, `notFound` for
 * an id that does not exist, `queryTooLarge`.
 */
export async function selectDevices(
  registry: Pick<Registry, 'devices'>,
  tenant: number,
  { devices, tag, profile }: DeviceSelection,
): Promise<readonly DeviceName[]> {
  if (devices === undefined && tag === undefined && profile === undefined)
    throw new DroverError('badRequest', { reason: 'give devices, a tag or a profile' })
  if (devices?.length === 0) return []
  const filter = { ids: devices, tag, profile }
  const found = await registry.devices.names(tenant, filter, limits.devicesPerQueryMax + 1)
  if (found.length > limits.devicesPerQueryMax)
    throw new DroverError('queryTooLarge', { limit: limits.devicesPerQueryMax, unit: 'devices' })
  if (devices && found.length < devices.length) await refuseUnknown(registry, tenant, devices)
  return found
}

async function refuseUnknown(
  registry: Pick<Registry, 'devices'>,
  tenant: number,
  ids: readonly string[],
): Promise<void> {
  const known = new Set((await registry.devices.names(tenant, { ids }, ids.length)).map(({ id }) => id))
  const unknown = ids.find((id) => !known.has(id))
  if (unknown !== undefined) throw new DroverError('notFound', { kind: 'device', id: unknown })
}

/** Ids by uid, as far as the devices still exist. */
export async function deviceIds(
  registry: Pick<Registry, 'devices'>,
  tenant: number,
  uids: Iterable<number>,
): Promise<Map<number, string>> {
  const filter: DeviceFilter = { uids: [...new Set(uids)] }
  if (filter.uids?.length === 0) return new Map()
  const names = await registry.devices.names(tenant, filter, limits.devicesPerQueryMax)
  return new Map(names.map(({ uid, id }) => [uid, id]))
}
