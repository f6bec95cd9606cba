import { setImmediate } from 'node:timers/promises'

/**
 * Closes what a device, or a token, has open. Who was let in just before has its session by the next turn of the loop;
 * only then are all of them found.
 */
export async function cutOff(close: () => Promise<void>): Promise<void> {
  await setImmediate()
  await close()
}
