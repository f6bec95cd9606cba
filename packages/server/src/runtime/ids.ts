import { randomBytes } from 'node:crypto'
import { type DeviceToken, formatDeviceToken } from '@drover/protocol'

/** Gives that many random bytes. */
export type RandomBytes = (count: number) => Uint8Array

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
/** The largest multiple of 62 in a byte: what is above would make the first letters likelier. */
const fairBelow = 248

/** `length` letters and digits, all equally likely. */
export function randomBase62(length: number, random: RandomBytes = randomBytes): string {
  let text = ''
  while (text.length < length)
    for (const byte of random(length - text.length)) if (byte < fairBelow) text += alphabet[byte % 62]
  return text
}

/** A new device token: 16 letters of key id, 43 of secret (62^43 > 2^256). */
export function createDeviceToken(
  random: RandomBytes = randomBytes,
): DeviceToken & { readonly token: string } {
  const parts = { keyId: randomBase62(16, random), secret: randomBase62(43, random) }
  return { ...parts, token: formatDeviceToken(parts) }
}

/** 8 random bytes that tell this run of the process, and a thread of it, from all others. */
export function createBootId(random: RandomBytes = randomBytes): Uint8Array {
  return Uint8Array.from(random(8))
}
