import { DroverError } from '@drover/protocol'
import { type Actor, record } from '../access/actor.ts'
import type { DeviceContext } from './context.ts'
import { cutOff } from './cut-off.ts'
import { requireDevice } from './resolve.ts'

/** The token opens nothing any more, and what it opened is closed. Rejects with `badIdentifier`, `notFound`. */
export async function revokeToken(
  { registry, clock, deviceAccess, presence }: DeviceContext,
  actor: Actor,
  id: string,
  keyId: string,
): Promise<void> {
  const atMicros = clock.nowMicros()
  await registry.transaction(async (tables) => {
    const { uid } = await requireDevice(tables, actor.tenant, id)
    if (!(await tables.tokens.revoke(uid, keyId, atMicros)))
      throw new DroverError('notFound', { kind: 'token', id: keyId })
    await tables.audit.add(record(actor, 'token.revoke', id, { keyId }), atMicros)
  })
  deviceAccess.forgetToken(keyId)
  await cutOff(() => presence.closeToken(keyId))
}
