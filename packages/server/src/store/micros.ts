/** µs since 1970, of ms since 1970. */
export function micros(milliseconds: number): number {
  return Math.floor(milliseconds * 1000)
}

export const dayMicros = 86_400_000_000
