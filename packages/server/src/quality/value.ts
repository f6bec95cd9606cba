import { limits, locationSchema, type ValueType } from '@drover/protocol'
import { quoted, type Refusal, refusal } from './refusal.ts'

/** What a value of a metric must be. Without a bound, `min` and `max` are infinite; they are for numbers only. */
export interface ValueRule {
  readonly type: ValueType
  readonly min: number
  readonly max: number
}

export function unlimited(type: ValueType): ValueRule {
  return { type, min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY }
}

/**
 * What is stored of a decoded value: a number, or the text of any other type (a string as it is, `true` or `false`, JSON);
 * or why it is bad.
 */
export function storable(value: unknown, rule: ValueRule): number | string | Refusal {
  switch (rule.type) {
    case 'number':
      return typeof value === 'number' ? inRange(value, rule) : mismatch(value, 'a number')
    case 'integer':
      return typeof value === 'number' ? integer(value, rule) : mismatch(value, 'an integer')
    case 'boolean':
      return typeof value === 'boolean' ? String(value) : mismatch(value, 'true or false')
    case 'string':
      return typeof value === 'string' ? boundedText(value) : mismatch(value, 'a string')
    case 'json':
      return jsonText(value)
    case 'location':
      return locationText(value)
  }
}

/** The type of a metric that no profile lists, by its first value: that of its values from then on. */
export function typeOfValue(value: unknown): ValueType | undefined {
  switch (typeof value) {
    case 'number':
      return 'number'
    case 'boolean':
      return 'boolean'
    case 'string':
      return 'string'
    case 'object':
      return value === null ? undefined : isLocation(value) ? 'location' : 'json'
    default:
      return undefined
  }
}

/** Whether values of the type are stored as numbers; all others are texts. */
export function isNumeric(type: ValueType): boolean {
  return type === 'number' || type === 'integer'
}

function inRange(value: number, { min, max }: ValueRule): number | Refusal {
  if (value >= min && value <= max && Number.isFinite(value)) return value
  if (!Number.isFinite(value)) return refusal('notFinite', `${value} is not a finite number`)
  return value < min
    ? refusal('outOfRange', `${value} is below the minimum of ${min}`)
    : refusal('outOfRange', `${value} is above the maximum of ${max}`)
}

function integer(value: number, rule: ValueRule): number | Refusal {
  if (Number.isSafeInteger(value) || !Number.isFinite(value)) return inRange(value, rule)
  return Number.isInteger(value)
    ? refusal('typeMismatch', `${value} is beyond ±(2^53 − 1), where integers are not exact`)
    : mismatch(value, 'an integer')
}

function mismatch(value: unknown, expected: string): Refusal {
  const found = value === null ? 'null, which is no value' : quoted(value)
  return refusal('typeMismatch', `expected ${expected}, got ${found}`)
}

function boundedText(text: string): string | Refusal {
  // No character of a string takes more than three bytes, so most need not be counted.
  if (text.length * 3 > limits.stringValueBytesMax) {
    const bytes = Buffer.byteLength(text)
    if (bytes > limits.stringValueBytesMax)
      return refusal('stringTooLong', `${bytes} bytes are more than ${limits.stringValueBytesMax}`)
  }
  return text.toWellFormed()
}

function jsonText(value: unknown): string | Refusal {
  if (value === null || value === undefined) return mismatch(value, 'JSON')
  if (!isFiniteThroughout(value))
    return refusal('notFinite', 'a number in the value is not finite, which JSON cannot hold')
  return boundedText(JSON.stringify(value))
}

/** The depth of `value` is bounded by the decoder. */
function isFiniteThroughout(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || value === null) return true
  return Object.values(value).every(isFiniteThroughout)
}

const locationKeys = new Set(Object.keys(locationSchema.shape))

/** By its shape: latitude and longitude, and nothing but what belongs to a location. */
function isLocation(value: object): boolean {
  const { latitude, longitude } = value as Record<string, unknown>
  return (
    typeof latitude === 'number' &&
    typeof longitude === 'number' &&
    Object.keys(value).every((key) => locationKeys.has(key))
  )
}

function locationText(value: unknown): string | Refusal {
  const read = locationSchema.safeParse(value)
  if (read.success) return JSON.stringify(read.data)
  const outside = read.error.issues.find((issue) => issue.code === 'too_small' || issue.code === 'too_big')
  return outside
    ? refusal('outOfRange', `${outside.path.join('.')}: ${outside.message}`)
    : mismatch(value, 'an object with latitude and longitude')
}
