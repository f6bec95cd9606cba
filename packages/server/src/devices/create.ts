import { type DeviceCreated, DroverError, type deviceInputSchema } from '@drover/protocol'
import type { z } from 'zod'
import { type Actor, record } from '../access/actor.ts'
import type { RegistryTables } from '../registry/registry.ts'
import type { DeviceContext } from './context.ts'
import { newToken } from './new-token.ts'
import { presentDevice } from './present.ts'

export type CheckedDeviceInput = z.output<typeof deviceInputSchema>

/** Creates a device with its first token. Rejects with `alreadyExists`, `notFound` for its profile or parent. */
export async function createDevice(
  context: DeviceContext,
  actor: Actor,
  input: CheckedDeviceInput,
): Promise<DeviceCreated> {
  const { registry, clock, random, storage, presence } = context
  const { tenant } = actor
  const atMicros = clock.nowMicros()
  const created = await registry.transaction(async (tables) => {
    if (await tables.devices.get(tenant, input.id))
      throw new DroverError('alreadyExists', { kind: 'device', id: input.id })
    await requireProfile(tables, tenant, input.profile)
    const parentUid = await parentUidOf(tables, tenant, input.id, input.parent)
    const uids = await tables.devices.insert(tenant, [{ ...input, parentUid }], atMicros)
    const { token, kept } = newToken(uids.get(input.id)!, random)
    await tables.tokens.insert([kept], atMicros)
    await tables.audit.add(record(actor, 'device.create', input.id, { keyId: kept.keyId }), atMicros)
    return { device: (await tables.devices.get(tenant, input.id))!, token }
  })
  await storage.devicesChanged([created.device.uid])
  return { device: presentDevice(presence, created.device), token: created.token }
}

export async function requireProfile(
  { profiles }: Pick<RegistryTables, 'profiles'>,
  tenant: number,
  id: string,
): Promise<void> {
  if (!(await profiles.get(tenant, id))) throw new DroverError('notFound', { kind: 'profile', id })
}

export async function parentUidOf(
  { devices }: Pick<RegistryTables, 'devices'>,
  tenant: number,
  id: string,
  parent: string | null,
): Promise<number | null> {
  if (parent === null) return null
  if (parent === id) throw new DroverError('badRequest', { reason: 'a device cannot be its own parent' })
  const found = await devices.get(tenant, parent)
  if (!found) throw new DroverError('notFound', { kind: 'device', id: parent })
  return found.uid
}
