import type { JsonValue } from '@drover/protocol'

const numbers = new Intl.NumberFormat('en', { maximumSignificantDigits: 7, useGrouping: false })

/** A value as a person reads it; at most about 80 characters. */
export function formatValue(value: JsonValue): string {
  if (typeof value === 'number') return formatNumber(value)
  if (typeof value === 'boolean') return String(value)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 79)}…` : text
}

export function formatNumber(value: number): string {
  const size = Math.abs(value)
  if (size >= 1e9 || (size > 0 && size < 1e-4)) return value.toExponential(4)
  return numbers.format(value)
}

const unitNames: Readonly<Record<string, string>> = {
  Cel: '°C',
  degC: '°C',
  degF: '°F',
  '[degF]': '°F',
  '%RH': '% RH',
  deg: '°',
  'ug/m3': 'µg/m³',
  m3: 'm³',
  m2: 'm²',
  'm/s2': 'm/s²',
  Ohm: 'Ω',
}

/** UCUM and SenML codes in the signs that people know. */
export function formatUnit(unit: string | null | undefined): string {
  return unit ? (unitNames[unit] ?? unit) : ''
}
