import { DroverError, limits, type TokenCreated } from '@drover/protocol'
import { type Actor, record } from '../access/actor.ts'
import { formatTimeMicros } from '../model/time.ts'
import type { DeviceContext } from './context.ts'
import { newToken } from './new-token.ts'
import { requireDevice } from './resolve.ts'

/** One more token for the device. Rejects with `badIdentifier`, `notFound`, `badRequest` when it has too many. */
export async function issueToken(
  { registry, clock, random }: DeviceContext,
  actor: Actor,
  id: string,
): Promise<TokenCreated> {
  const atMicros = clock.nowMicros()
  return registry.transaction(async (tables) => {
    const { uid } = await requireDevice(tables, actor.tenant, id)
    if ((await tables.tokens.list(uid)).length >= limits.tokensPerDeviceMax) {
      const reason = `the device has ${limits.tokensPerDeviceMax} tokens already; revoke one first`
      throw new DroverError('badRequest', { reason })
    }
    const { token, kept } = newToken(uid, random)
    await tables.tokens.forgetRevoked(uid)
    await tables.tokens.insert([kept], atMicros)
    await tables.audit.add(record(actor, 'token.create', id, { keyId: kept.keyId }), atMicros)
    return { keyId: kept.keyId, token, createdAt: formatTimeMicros(atMicros) }
  })
}
