import { type Device, type DeviceState, limits, type Page } from '@drover/protocol'
import type { Actor } from '../access/actor.ts'
import { formatCursor, parseCursor } from '../model/cursor.ts'
import type { DeviceRecord } from '../model/device.ts'
import { pageOf } from '../model/list.ts'
import type { DeviceContext } from './context.ts'
import { presentDevice } from './present.ts'

export interface DeviceListQuery {
  readonly limit: number
  readonly cursor?: string
  /** Words that the id or the name holds. */
  readonly q?: string
  readonly profile?: string
  readonly tag?: string
  /** `online` and `offline` are of the connection, the others of the device itself. */
  readonly state?: DeviceState | 'online' | 'offline'
}

type Context = Pick<DeviceContext, 'registry' | 'presence'>

/** Devices looked at for one page: what is over comes with the next, so that a rare state does not read them all. */
const devicesLookedAtMax = 20 * limits.pageItemsMax

/** Devices in the order of their ids. Rejects with `badCursor`. */
export async function listDevices(
  context: Context,
  actor: Actor,
  query: DeviceListQuery,
): Promise<Page<Device>> {
  const { q, profile, tag, state, limit, cursor } = query
  const words = q?.split(/\s+/).filter((word) => word !== '')
  const after = cursor === undefined ? '' : parseCursor('devices', ['string'], cursor)[0]
  const show = (record: DeviceRecord) => presentDevice(context.presence, record)
  const filter = { words, profile, tag }
  if (state === 'online' || state === 'offline')
    return listByPresence(context, actor, filter, state === 'online', limit, after)
  const rows = await context.registry.devices.list(actor.tenant, { ...filter, state }, limit + 1, after)
  return pageOf(rows, limit, show, cursorAfter)
}

const cursorAfter = ({ id }: { readonly id: string }) => formatCursor('devices', [id])

/** Presence is in memory, so devices are read page by page until enough of them are online (or offline). */
async function listByPresence(
  { registry, presence }: Context,
  { tenant }: Actor,
  filter: Parameters<typeof registry.devices.list>[1],
  online: boolean,
  limit: number,
  after: string,
): Promise<Page<Device>> {
  const items: Device[] = []
  let last = after
  for (let lookedAt = 0; lookedAt < devicesLookedAtMax; lookedAt += limits.pageItemsMax) {
    const rows = await registry.devices.list(tenant, filter, limits.pageItemsMax, last)
    for (const row of rows) {
      if (items.length === limit) return { items, nextCursor: cursorAfter({ id: last }) }
      last = row.id
      const device = presentDevice(presence, row)
      if (device.connection.online === online) items.push(device)
    }
    if (rows.length < limits.pageItemsMax) return { items, nextCursor: null }
  }
  return { items, nextCursor: cursorAfter({ id: last }) }
}
