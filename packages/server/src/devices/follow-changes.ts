import type { RegistryChange } from '../registry/changes.ts'
import type { DeviceContext } from './context.ts'
import { cutOff } from './cut-off.ts'

type FollowContext = Pick<DeviceContext, 'registry' | 'deviceAccess' | 'presence' | 'storage'>

/**
 * What other processes change in the registry takes effect here too: tokens are forgotten, sessions closed, and storage judges
 * by what the registry says now. Answers how to stop.
 */
export function followChanges(context: FollowContext, onError: (error: Error) => void): () => void {
  return context.registry.onChange((change) => void follow(context, change).catch(onError))
}

async function follow(context: FollowContext, change: RegistryChange): Promise<void> {
  const { deviceAccess, presence, storage } = context
  if (change.kind === 'tokenRevoked') {
    deviceAccess.forgetToken(change.keyId)
    await cutOff(() => presence.closeToken(change.keyId))
  } else if (change.kind === 'profileChanged') await storage.profileChanged(change.tenant, change.profile)
  else if (change.kind === 'deviceChanged') await followDevice(context, change.deviceUid)
  else if (change.kind === 'missed') {
    deviceAccess.forgetAll()
    await storage.devicesChanged('all')
  }
}

async function followDevice(
  { registry, deviceAccess, presence, storage }: FollowContext,
  deviceUid: number,
): Promise<void> {
  deviceAccess.forgetDevice(deviceUid)
  await storage.devicesChanged([deviceUid])
  const tenant = (await registry.deviceProfiles.load([deviceUid])).get(deviceUid)?.tenant
  if (tenant === undefined) return cutOff(() => presence.closeDevice(deviceUid, 'deviceDeleted'))
  const [device] = await registry.devices.list(tenant, { uids: [deviceUid] }, 1)
  if (device?.state === 'suspended') await cutOff(() => presence.closeDevice(deviceUid, 'deviceSuspended'))
}
