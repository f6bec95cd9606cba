import { hash, timingSafeEqual } from 'node:crypto'

/** Secrets of 256 random bits need no salt and no slow hash: nobody can try them out. */
export function sha256(secret: string): Buffer {
  return hash('sha256', secret, 'buffer')
}

/** Whether two SHA-256 are equal, in a time that does not tell where they differ. */
export function sameHash(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && timingSafeEqual(one, other)
}
