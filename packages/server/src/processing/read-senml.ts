import { quoted, type Refusal, refusal } from '../quality/refusal.ts'
import { isTooDeep, tooDeep } from './depth.ts'
import type { Readings } from './readings.ts'

type Fields = Readonly<Record<string, unknown>>

/** Base fields, which hold until another record sets them anew (RFC 8428, section 4.1). */
interface Base {
  name: string
  time: number
  unit: string | undefined
  value: number
  sum: number
}

const baseTypes = { bver: 'number', bn: 'string', bt: 'number', bu: 'string', bv: 'number', bs: 'number' }
const fieldTypes: Readonly<Record<string, string>> = {
  ...baseTypes,
  n: 'string',
  u: 'string',
  v: 'number',
  vs: 'string',
  vb: 'boolean',
  vd: 'string',
  s: 'number',
  t: 'number',
  ut: 'number',
}
/** The version that RFC 8428 describes; a higher one must be refused (section 4.4). */
const versionMax = 10
/** Smaller times, in seconds, are relative to now (section 4.5.3). */
const absoluteSecondsMin = 2 ** 28
/** Beyond what a calendar has. */
const secondsMax = 8.64e12

/**
 * Whether a value can be nothing but SenML: an array whose first record has a name (`n` or `bn`, a string) and only
 * SenML's labels, each of its type.
 */
export function isSenml(value: unknown): boolean {
  if (!Array.isArray(value)) return false
  const [first] = value as unknown[]
  if (!isRecord(first) || (first.n === undefined && first.bn === undefined)) return false
  return Object.keys(first).every((label) => Object.hasOwn(fieldTypes, label) && isOfItsType(first, label))
}

/**
 * Reads a SenML pack (RFC 8428). The metric is the whole name, `bn` + `n`; a relative time counts from the receipt, and
 * zero is the receipt; a sum is the metric with `.sum` behind its name; data (`vd`) is its base64url text. A record
 * that is not valid makes the whole pack invalid, as the fields of the others may depend on it.
 */
export function readSenml(pack: unknown, receivedAtMicros: number, readings: Readings): Refusal | undefined {
  if (!Array.isArray(pack)) return invalid(`expected an array of records, got ${quoted(pack)}`)
  readings.mayRepeat = pack.length > 1
  const base: Base = { name: '', time: 0, unit: undefined, value: 0, sum: 0 }
  for (const record of pack as unknown[]) {
    const failure = readRecord(record, base, receivedAtMicros, readings)
    if (failure) return failure
    if (readings.tooMany) return undefined
  }
  return undefined
}

function invalid(why: string): Refusal {
  return refusal('payloadNotSenml', `the payload is not SenML: ${why}`)
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isOfItsType(record: Fields, label: string): boolean {
  const type: string = typeof record[label]
  return type === fieldTypes[label]
}

function readRecord(
  record: unknown,
  base: Base,
  receivedAtMicros: number,
  readings: Readings,
): Refusal | undefined {
  if (isTooDeep(record, 2)) return tooDeep
  if (!isRecord(record)) return invalid(`a record is not an object but ${quoted(record)}`)
  const failure = checkFields(record)
  if (failure) return failure
  setBase(record, base)
  if (!hasValue(record)) return isOnlyBase(record) ? undefined : invalid('a record has no value')
  const name = base.name + text(record.n)
  if (name === '') return invalid('a record has neither a name nor a base name')
  const timeMicros = timeOf(base.time + number(record.t), receivedAtMicros)
  if (timeMicros === undefined) {
    readings.refuse(refusal('timeInvalid', 'the time is beyond any calendar'), name)
    return undefined
  }
  addValues(record, name, timeMicros, base, readings)
  return undefined
}

/** Unknown fields are ignored, unless their label ends in `_`: those must be understood (section 4.4). */
function checkFields(record: Fields): Refusal | undefined {
  for (const label of Object.keys(record)) {
    if (label.endsWith('_')) return invalid(`the field ${quoted(label)} must be understood, and is not`)
    if (Object.hasOwn(fieldTypes, label) && !isOfItsType(record, label))
      return invalid(`${label} must be a ${fieldTypes[label]}, not ${quoted(record[label])}`)
  }
  if (number(record.bver) > versionMax) return invalid(`version ${record.bver} is above ${versionMax}`)
  return ['v', 'vs', 'vb', 'vd'].filter((label) => record[label] !== undefined).length > 1
    ? invalid('a record has more than one value')
    : undefined
}

function setBase(record: Fields, base: Base): void {
  if (record.bn !== undefined) base.name = text(record.bn)
  if (record.bt !== undefined) base.time = number(record.bt)
  if (record.bu !== undefined) base.unit = text(record.bu)
  if (record.bv !== undefined) base.value = number(record.bv)
  if (record.bs !== undefined) base.sum = number(record.bs)
}

function hasValue({ v, vs, vb, vd, s, bv, bs, n, t }: Fields): boolean {
  if ([v, vs, vb, vd, s].some((field) => field !== undefined)) return true
  // Of a value and its base, a missing one is zero; but fields of the record must show that it is one.
  return (bv !== undefined || bs !== undefined) && (n !== undefined || t !== undefined)
}

function isOnlyBase(record: Fields): boolean {
  return Object.keys(record).every((label) => Object.hasOwn(baseTypes, label))
}

function timeOf(seconds: number, receivedAtMicros: number): number | undefined {
  if (!Number.isFinite(seconds) || Math.abs(seconds) > secondsMax) return undefined
  if (seconds === 0) return Number.NaN
  const micros = Math.round(seconds * 1e6)
  return seconds < absoluteSecondsMin ? receivedAtMicros + micros : micros
}

function addValues(record: Fields, name: string, timeMicros: number, base: Base, readings: Readings): void {
  const { v, vs, vb, vd, s } = record
  const unit = record.u === undefined ? base.unit : text(record.u)
  if (unit !== undefined) readings.units.set(name, unit)
  const other = vs ?? vb ?? vd
  if (other !== undefined) readings.add(name, other, timeMicros)
  else if (v !== undefined || record.bv !== undefined) readings.add(name, base.value + number(v), timeMicros)
  if (s !== undefined || record.bs !== undefined)
    readings.add(`${name}.sum`, base.sum + number(s), timeMicros)
}

function text(field: unknown): string {
  return typeof field === 'string' ? field : ''
}

function number(field: unknown): number {
  return typeof field === 'number' ? field : 0
}
