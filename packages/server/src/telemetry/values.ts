import type { JsonValue, Quality, ValueType } from '@drover/protocol'

/** The value of a stored point: numbers are kept as they are, all else as text. */
export function presentValue(type: ValueType, stored: number | string): JsonValue {
  if (typeof stored === 'number' || type === 'string') return stored
  return JSON.parse(stored) as JsonValue
}

export function qualityName(code: number): Quality {
  return code === 0 ? 'good' : 'suspect'
}
