import { sha256 } from '../access/secrets.ts'
import { createDeviceToken, type RandomBytes } from '../runtime/ids.ts'

/** A token for a device: the text that is shown once, and what is kept of it. */
export function newToken(deviceUid: number, random?: RandomBytes) {
  const { token, keyId, secret } = createDeviceToken(random)
  return { token, kept: { keyId, deviceUid, hash: sha256(secret) } }
}
