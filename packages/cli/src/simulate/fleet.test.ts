import assert from 'node:assert/strict'
import { test } from 'node:test'
import { profileInputSchema } from '@drover/protocol'
import { createFleet } from './fleet.ts'
import { kinds } from './kinds.ts'
import { createNoise } from './noise.ts'

const start = Date.UTC(2026, 10, 1)
const hourMs = 3_600_000
const timesOf = (days: number, stepMs: number) =>
  Array.from({ length: (days * 24 * hourMs) / stepMs }, (_, index) => start + index * stepMs)

test('the same seed gives the same fleet and values, another one others', () => {
  const [first, again, other] = [createFleet(20, 7), createFleet(20, 7), createFleet(20, 8)]
  assert.deepEqual(
    first.map(({ input }) => input),
    again.map(({ input }) => input),
  )
  for (const [index, device] of first.entries())
    assert.deepEqual(device.measure(start), again[index]!.measure(start))
  assert.notDeepEqual(first[0]!.measure(start), other[0]!.measure(start))
})

test('has one of each odd behaviour among twenty, and healthy ones of each kind', () => {
  const fleet = createFleet(20, 1)
  const counts = Map.groupBy(fleet, ({ behaviour }) => behaviour)
  for (const odd of ['rogue', 'flapping', 'stuck', 'late', 'drifting'] as const)
    assert.equal(counts.get(odd)?.length, 1, odd)
  const healthy = new Set(counts.get('normal')!.map(({ kind }) => kind.name))
  assert.equal(healthy.size, kinds.length)
  assert.equal(new Set(fleet.map(({ input }) => input.id)).size, 20)
})

test('its profiles are valid', () => {
  for (const { profile } of kinds) assert.equal(profileInputSchema.safeParse(profile).success, true)
})

for (const kind of kinds) {
  test(`a healthy ${kind.name} stays within its profile for a month, and moves`, () => {
    const noise = createNoise(3)
    const seen = new Map<string, Set<unknown>>()
    for (const time of timesOf(30, 10 * 60_000)) {
      for (const [name, value] of Object.entries(kind.measure('device', time, noise))) {
        const metric = kind.profile.metrics?.[name]
        assert.ok(metric, `${name} is in the profile`)
        assert.equal(typeof value, metric.type ?? 'number')
        if (typeof value === 'number') {
          assert.ok(value >= (metric.min ?? Number.NEGATIVE_INFINITY), `${name} ${value}`)
          assert.ok(value <= (metric.max ?? Number.POSITIVE_INFINITY), `${name} ${value}`)
        }
        seen.set(name, (seen.get(name) ?? new Set()).add(value))
      }
    }
    for (const [name, values] of seen) assert.ok(values.size > 1, `${name} changes`)
  })
}

test('the day is warmer than the night', () => {
  const station = createFleet(1, 1)[0]!
  const mean = (hour: number) => {
    const values = Array.from({ length: 30 }, (_, day) => {
      const value = station.measure(start + day * 24 * hourMs + hour * hourMs).temperature
      return value as number
    })
    return values.reduce((sum, value) => sum + value, 0) / values.length
  }
  assert.ok(mean(16) - mean(4) > 5)
})

test('the rogue one sends impossible values, but not only', () => {
  const rogue = createFleet(20, 1).find(({ behaviour }) => behaviour === 'rogue')!
  const [metric] = Object.keys(rogue.measure(start))
  const { min, max } = rogue.kind.profile.metrics![metric!]!
  const possible = (value: unknown) => typeof value === 'number' && value >= min! && value <= max!
  const values = timesOf(1, 60_000).map((time) => rogue.measure(time)[metric!])
  const share = values.filter((value) => !possible(value)).length / values.length
  assert.ok(share > 0.1 && share < 0.5, `${share} of the values are impossible`)
})

test('the stuck one repeats itself, the drifting one wanders off', () => {
  const fleet = createFleet(20, 1)
  const stuck = fleet.find(({ behaviour }) => behaviour === 'stuck')!
  assert.deepEqual(stuck.measure(start + hourMs), stuck.measure(start + 2 * hourMs))
  const drifting = fleet.find(({ behaviour }) => behaviour === 'drifting')!
  const [metric] = Object.keys(drifting.measure(start))
  const noise = createNoise(1)
  const offsets = timesOf(20, 24 * hourMs).map((time) => {
    const healthy = drifting.kind.measure(drifting.input.id, time, noise)[metric!] as number
    return (drifting.measure(time)[metric!] as number) - healthy
  })
  assert.ok(Math.max(...offsets) > 0.3)
})

test('noise is uniform, centred, and smooth where it should be', () => {
  const noise = createNoise(5)
  const uniform = Array.from({ length: 10_000 }, (_, step) => noise.uniform('a', step))
  const mean = uniform.reduce((sum, value) => sum + value, 0) / uniform.length
  assert.ok(Math.abs(mean - 0.5) < 0.02 && Math.min(...uniform) >= 0 && Math.max(...uniform) < 1)
  const normal = Array.from({ length: 10_000 }, (_, step) => noise.normal('a', step))
  const deviation = Math.sqrt(normal.reduce((sum, value) => sum + value * value, 0) / normal.length)
  assert.ok(Math.abs(deviation - 1) < 0.05, `${deviation}`)
  for (let time = start; time < start + hourMs; time += 1000) {
    const step = Math.abs(noise.smooth('a', time + 1000, hourMs) - noise.smooth('a', time, hourMs))
    assert.ok(step < 0.01)
  }
})
