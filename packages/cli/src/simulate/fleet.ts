import type { DeviceInput } from '@drover/protocol'
import type { Reading } from '@drover/sdk/device'
import { type Kind, kinds } from './kinds.ts'
import { createNoise, type Noise } from './noise.ts'

/**
 * How a device behaves: `rogue` sends impossible values, `flapping` loses its connection again and again, `stuck`
 * repeats one value, `late` sends what it measured minutes ago in batches out of order, `drifting` reads too warm, a
 * little more each day.
 */
export type Behaviour = 'normal' | 'rogue' | 'flapping' | 'stuck' | 'late' | 'drifting'

export interface SimulatedDevice {
  readonly input: DeviceInput
  readonly kind: Kind
  readonly behaviour: Behaviour
  /** What it sends of a time; the same for the same seed. */
  measure(timeMs: number): Reading['values']
}

const oddBehaviours: readonly Behaviour[] = ['stuck', 'flapping', 'drifting', 'rogue', 'late']
/** One of each odd behaviour among so many devices. */
const oddEvery = 20
const centre = { latitude: 52.52, longitude: 13.405 }
const driftPerDay = 0.05
const dayMs = 86_400_000

/** The same seed and number give the same fleet. */
export function createFleet(count: number, seed: number): SimulatedDevice[] {
  const noise = createNoise(seed)
  return Array.from({ length: count }, (_, index) => createDevice(index, count, noise))
}

function createDevice(index: number, count: number, noise: Noise): SimulatedDevice {
  const kind = kinds[index % kinds.length]!
  const number = String(Math.floor(index / kinds.length) + 1).padStart(2, '0')
  const id = `${kind.name}-${number}`
  const behaviour = behaviourOf(index, count)
  const odd = behaviour === 'normal' ? '' : ` (${behaviour})`
  return {
    kind,
    behaviour,
    input: {
      id,
      profile: kind.profile.id,
      name: `${kind.name.replace('-', ' ')} ${number}${odd}`,
      tags: ['simulated', kind.name, ...(odd === '' ? [] : [behaviour])],
      location: {
        latitude: Number((centre.latitude + (noise.uniform('latitude', index) - 0.5) / 5).toFixed(5)),
        longitude: Number((centre.longitude + (noise.uniform('longitude', index) - 0.5) / 3).toFixed(5)),
      },
    },
    measure: measureAs(behaviour, id, kind, noise),
  }
}

/** The last ones of each twenty; the first ones are healthy, one of each kind, however small the fleet. */
function behaviourOf(index: number, count: number): Behaviour {
  if (index < kinds.length) return 'normal'
  const place = Math.min(oddEvery, count) - 1 - (index % oddEvery)
  return oddBehaviours[place] ?? 'normal'
}

function measureAs(behaviour: Behaviour, id: string, kind: Kind, noise: Noise): SimulatedDevice['measure'] {
  const healthy = (timeMs: number) => kind.measure(id, timeMs, noise)
  switch (behaviour) {
    case 'rogue':
      return (timeMs) => spoil(healthy(timeMs), noise.uniform(`${id}/rogue`, Math.floor(timeMs / 1000)))
    case 'stuck':
      return (timeMs) => kind.measure(id, Math.floor(timeMs / (7 * dayMs)) * 7 * dayMs, noise)
    case 'drifting':
      return (timeMs) => drift(healthy(timeMs), ((timeMs % (60 * dayMs)) / dayMs) * driftPerDay)
    default:
      return healthy
  }
}

/** What broken sensors send: absolute zero, the largest number of their converter, text in place of a number. */
const impossible = [-273.15, 65_535, 1e9, 'ERR'] as const

function spoil(values: Reading['values'], chance: number): Reading['values'] {
  const metric = Object.keys(values)[0]!
  return chance < 0.3
    ? { ...values, [metric]: impossible[Math.floor((chance / 0.3) * impossible.length)]! }
    : values
}

function drift(values: Reading['values'], by: number): Reading['values'] {
  const metric = Object.keys(values)[0]!
  const value = values[metric]
  return typeof value === 'number' ? { ...values, [metric]: Number((value + by).toFixed(2)) } : values
}
