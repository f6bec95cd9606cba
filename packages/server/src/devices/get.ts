import type { Connection, Device } from '@drover/protocol'
import type { Actor } from '../access/actor.ts'
import type { DeviceContext } from './context.ts'
import { presentDevice } from './present.ts'
import { requireDevice } from './resolve.ts'

type Context = Pick<DeviceContext, 'registry' | 'presence'>

/** Rejects with `badIdentifier`, `notFound`. */
export async function getDevice({ registry, presence }: Context, actor: Actor, id: string): Promise<Device> {
  return presentDevice(presence, await requireDevice(registry, actor.tenant, id))
}

/** Whether it is online, since when, and why not. Rejects with `badIdentifier`, `notFound`. */
export async function getConnection(context: Context, actor: Actor, id: string): Promise<Connection> {
  const { uid } = await requireDevice(context.registry, actor.tenant, id)
  return context.presence.connection(uid)
}
