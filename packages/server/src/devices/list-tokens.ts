import type { Page, Token } from '@drover/protocol'
import type { Actor } from '../access/actor.ts'
import { formatTimeMicros } from '../model/time.ts'
import type { DeviceContext } from './context.ts'
import { requireDevice } from './resolve.ts'

/** The device's tokens without their secrets. Rejects with `badIdentifier`, `notFound`. */
export async function listTokens(
  { registry, deviceAccess }: Pick<DeviceContext, 'registry' | 'deviceAccess'>,
  actor: Actor,
  id: string,
): Promise<Page<Token>> {
  const { uid } = await requireDevice(registry, actor.tenant, id)
  await deviceAccess.flush()
  const items = (await registry.tokens.list(uid)).map(({ keyId, createdAtMicros, lastUsedAtMicros }) => ({
    keyId,
    createdAt: formatTimeMicros(createdAtMicros),
    lastUsedAt: lastUsedAtMicros === null ? null : formatTimeMicros(lastUsedAtMicros),
  }))
  return { items, nextCursor: null }
}
