/**
 * Randomness that is a function of its place instead of a sequence: the same seed, name and time always give the same
 * value, so that history and live values join, and a fleet can be made again.
 */
export interface Noise {
  /** Uniform in [0, 1), another one for each name and step. */
  uniform(name: string, step: number): number
  /** About normal, mean 0, standard deviation 1. */
  normal(name: string, step: number): number
  /** A curve in [-1, 1] that takes a new turn every `periodMs`. */
  smooth(name: string, timeMs: number, periodMs: number): number
}

export function createNoise(seed: number): Noise {
  const uniform = (name: string, step: number) => mix(hashText(name, seed), step) / 0x1_0000_0000
  return {
    uniform,
    normal: (name, step) =>
      (uniform(`${name}/1`, step) + uniform(`${name}/2`, step) + uniform(`${name}/3`, step) - 1.5) * 2,
    smooth(name, timeMs, periodMs) {
      const step = Math.floor(timeMs / periodMs)
      const part = timeMs / periodMs - step
      const eased = (1 - Math.cos(Math.PI * part)) / 2
      const from = uniform(name, step)
      return 2 * (from + (uniform(name, step + 1) - from) * eased) - 1
    },
  }
}

/** FNV-1a. */
function hashText(text: string, seed: number): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0
  return hash
}

/** The finaliser of MurmurHash3, which spreads neighbouring steps over all 32 bits. */
function mix(hash: number, step: number): number {
  let bits = (hash ^ Math.imul(step | 0, 0x9e3779b1) ^ Math.floor(step / 0x1_0000_0000)) >>> 0
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}
