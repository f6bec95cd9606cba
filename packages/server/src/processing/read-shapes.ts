import { parseTimeMicros } from '../model/time.ts'
import { quoted, type Refusal, refusal } from '../quality/refusal.ts'
import { isTooDeep, tooDeep } from './depth.ts'
import type { Readings } from './readings.ts'

type JsonObject = Readonly<Record<string, unknown>>

const shapes = '{"<metric>": <value>}, {"ts": <time>, "values": {…}}, or an array of those'

/**
 * Reads the shapes of telemetry: `{"<metric>": <value>, …}`, `{"ts": <ms since 1970 or RFC 3339>, "values": {…}}`, and
 * arrays that hold both. An object with `ts` is always of the second shape. Values without a time have that of the
 * receipt. ThingsBoard's devices send the same.
 */
export function readShapes(value: unknown, readings: Readings): Refusal | undefined {
  if (Array.isArray(value)) return readArray(value, readings)
  return isObject(value) ? readObject(value, 1, readings) : notAShape(value)
}

function readArray(items: readonly unknown[], readings: Readings): Refusal | undefined {
  let latest = Number.NEGATIVE_INFINITY
  for (const item of items) {
    const first = readings.length
    if (!isObject(item)) {
      if (isTooDeep(item, 2)) return tooDeep
      readings.refuse(notAShape(item), null)
    } else if (readObject(item, 2, readings)) return tooDeep
    if (readings.tooMany) return undefined
    if (readings.length === first) continue
    const timeMicros = readings.timeMicros[first]!
    if (timeMicros > latest) latest = timeMicros
    else readings.mayRepeat = true
  }
  return undefined
}

function notAShape(value: unknown): Refusal {
  return refusal('payloadShape', `expected ${shapes}, got ${quoted(value)}`)
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The hot path: most messages are one flat object of numbers. */
function readObject(object: JsonObject, level: number, readings: Readings): Refusal | undefined {
  const first = readings.length
  for (const name in object) {
    const value = object[name]
    if (name === 'ts' || (name === 'values' && isObject(value) && isAlone(name, object))) {
      readings.length = first
      return readTimed(object, level, readings)
    }
    if (typeof value === 'object' && isTooDeep(value, level + 1)) return tooDeep
    readings.add(name, value, Number.NaN)
  }
  return undefined
}

function isAlone(name: string, object: JsonObject): boolean {
  return Object.keys(object).every((key) => key === name)
}

function readTimed(object: JsonObject, level: number, readings: Readings): Refusal | undefined {
  for (const name in object)
    if (name !== 'ts' && name !== 'values') {
      if (isTooDeep(object[name], level + 1)) return tooDeep
      readings.refuse(
        refusal('payloadShape', `${quoted(name)} stands beside \`ts\`, not in \`values\``),
        null,
      )
    }
  const { ts, values } = object
  if (isTooDeep(ts, level + 1)) return tooDeep
  if (isObject(values)) return readValues(values, ts, level + 1, readings)
  if (isTooDeep(values, level + 1)) return tooDeep
  readings.refuse(refusal('payloadShape', 'beside `ts`, `values` must be an object of metrics'), null)
  return undefined
}

/** `ts` is undefined where the message has none. */
function readValues(values: JsonObject, ts: unknown, level: number, readings: Readings): Refusal | undefined {
  const timeMicros = ts === undefined ? Number.NaN : readTime(ts)
  if (timeMicros === undefined)
    readings.refuse(
      refusal('timeInvalid', `\`ts\` is neither milliseconds since 1970 nor RFC 3339: ${quoted(ts)}`),
      null,
    )
  for (const name in values) {
    const value = values[name]
    if (typeof value === 'object' && isTooDeep(value, level + 1)) return tooDeep
    if (timeMicros !== undefined) readings.add(name, value, timeMicros)
  }
  return undefined
}

function readTime(ts: unknown): number | undefined {
  return typeof ts === 'number' || typeof ts === 'string' ? parseTimeMicros(ts) : undefined
}
