import type { ProfileInput } from '@drover/protocol'
import type { Reading } from '@drover/sdk/device'
import type { Noise } from './noise.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const energyOrigin = Date.UTC(2024, 0, 1)

/** A kind of device: what it is said to measure, and what it measures at a time. */
export interface Kind {
  readonly name: string
  readonly profile: ProfileInput
  /** Pure: the same device and time give the same values. */
  measure(device: string, timeMs: number, noise: Noise): Reading['values']
}

/** -1 at four in the morning, 1 at four in the afternoon. */
function daily(timeMs: number): number {
  return -Math.cos(((timeMs % dayMs) / dayMs - 4 / 24) * 2 * Math.PI)
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

function between(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value))
}

/** The jitter of one measurement of one metric. */
function jitter(noise: Noise, device: string, metric: string, timeMs: number, deviation: number): number {
  return noise.normal(`${device}/${metric}`, Math.floor(timeMs / 100)) * deviation
}

const weatherStation: Kind = {
  name: 'weather-station',
  profile: {
    id: 'sim-weather-station',
    description: 'Simulated weather stations',
    metrics: {
      temperature: { unit: 'Cel', min: -60, max: 60, ratePerSecondMax: 0.5 },
      humidity: { unit: '%RH', min: 0, max: 100 },
      pressure: { unit: 'hPa', min: 850, max: 1100 },
      windSpeed: { unit: 'm/s', min: 0, max: 75 },
      windDirection: { type: 'string' },
    },
  },
  measure(device, timeMs, noise) {
    const front = noise.smooth('front', timeMs, 36 * hourMs)
    const local = noise.smooth(device, timeMs, 6 * hourMs)
    const temperature = 14 + 6 * daily(timeMs) + 5 * front + local + jitter(noise, device, 't', timeMs, 0.08)
    const humidity =
      65 - 18 * daily(timeMs) - 10 * front + 6 * local + jitter(noise, device, 'h', timeMs, 0.4)
    const gusts = noise.smooth(`${device}/wind`, timeMs, 0.5 * hourMs)
    const directions = ['N', 'NE', 'E', 'SE', 'S', 'SW', 'W', 'NW']
    const direction = Math.floor((noise.smooth('wind', timeMs, 12 * hourMs) + 1) * 4) % 8
    return {
      temperature: rounded(temperature, 2),
      humidity: rounded(between(humidity, 5, 100), 1),
      pressure: rounded(1013 - 12 * front + jitter(noise, device, 'p', timeMs, 0.05), 2),
      windSpeed: rounded(Math.max(0, 4 + 3 * gusts + 3 * front + jitter(noise, device, 'w', timeMs, 0.4)), 1),
      windDirection: directions[direction]!,
    }
  },
}

const coldRoom: Kind = {
  name: 'cold-room',
  profile: {
    id: 'sim-cold-room',
    description: 'Simulated cold rooms',
    metrics: {
      temperature: { unit: 'Cel', min: -40, max: 60, ratePerSecondMax: 0.5 },
      power: { unit: 'W', min: 0, max: 10_000 },
      doorOpen: { type: 'boolean' },
    },
  },
  measure(device, timeMs, noise) {
    const working = daily(timeMs) > -0.3
    const quarter = Math.floor(timeMs / (hourMs / 4))
    const doorOpen = working && noise.uniform(`${device}/door`, quarter) < 0.2
    const cycle = Math.sin((timeMs / (20 * 60_000)) * 2 * Math.PI + noise.uniform(device, 0) * 6)
    const temperature = 4 + 0.7 * cycle + (doorOpen ? 1.5 : 0) + jitter(noise, device, 't', timeMs, 0.05)
    const power = cycle < 0 || doorOpen ? 1800 + jitter(noise, device, 'p', timeMs, 30) : 40
    return { temperature: rounded(temperature, 2), power: rounded(power, 0), doorOpen }
  },
}

const pump: Kind = {
  name: 'pump',
  profile: {
    id: 'sim-pump',
    description: 'Simulated pumps',
    metrics: {
      flow: { unit: 'm3/h', min: 0, max: 500 },
      vibration: { unit: 'mm/s', min: 0, max: 100 },
      bearingTemperature: { unit: 'Cel', min: -40, max: 150, ratePerSecondMax: 1 },
      running: { type: 'boolean' },
    },
  },
  measure(device, timeMs, noise) {
    const running = daily(timeMs) > -0.8
    const load = running ? 0.7 + 0.2 * daily(timeMs) + 0.1 * noise.smooth(device, timeMs, hourMs) : 0
    const wear = 0.02 * ((timeMs % (90 * dayMs)) / dayMs)
    const vibration = running ? 2.1 + wear + load + Math.abs(jitter(noise, device, 'v', timeMs, 0.15)) : 0.1
    return {
      flow: rounded(Math.max(0, 120 * load + jitter(noise, device, 'f', timeMs, running ? 1.5 : 0)), 1),
      vibration: rounded(vibration, 2),
      bearingTemperature: rounded(28 + 30 * load + wear + jitter(noise, device, 't', timeMs, 0.1), 1),
      running,
    }
  },
}

const meter: Kind = {
  name: 'meter',
  profile: {
    id: 'sim-meter',
    description: 'Simulated electricity meters',
    metrics: {
      voltage: { unit: 'V', min: 0, max: 500 },
      power: { unit: 'W', min: -50_000, max: 50_000 },
      energy: { unit: 'kWh', min: 0 },
    },
  },
  measure(device, timeMs, noise) {
    const base = 600 + 900 * noise.uniform(device, 0)
    const household = base * (1 + 0.7 * daily(timeMs))
    const peaks = Math.max(0, noise.smooth(`${device}/oven`, timeMs, 0.7 * hourMs) - 0.6) * 6000
    const days = (timeMs - energyOrigin) / dayMs
    return {
      voltage: rounded(
        230 + 3 * noise.smooth(device, timeMs, hourMs) + jitter(noise, device, 'u', timeMs, 0.3),
        1,
      ),
      power: rounded(household + peaks + jitter(noise, device, 'p', timeMs, 15), 0),
      energy: rounded((base * 24 * days) / 1000, 3),
    }
  },
}

export const kinds: readonly Kind[] = [weatherStation, coldRoom, pump, meter]
