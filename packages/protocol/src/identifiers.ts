/** A device's or profile's id: unique in its tenant. `me` is the connected device's own name in topics. */
const identifierPattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/

export function isIdentifier(text: string): boolean {
  return identifierPattern.test(text) && text !== 'me'
}

/** `dt_<keyId>_<secret>`: keyId 16 characters of base62, secret 43 (256 bits). */
const deviceTokenPattern = /^dt_([0-9A-Za-z]{16})_([0-9A-Za-z]{43})$/

export interface DeviceToken {
  readonly keyId: string
  readonly secret: string
}

export function parseDeviceToken(text: string): DeviceToken | undefined {
  const match = deviceTokenPattern.exec(text)
  return match ? { keyId: match[1]!, secret: match[2]! } : undefined
}

export function formatDeviceToken({ keyId, secret }: DeviceToken): string {
  return `dt_${keyId}_${secret}`
}
