import { limits } from '@drover/protocol'
import { type Refusal, refusal } from '../quality/refusal.ts'
import { type ContentType, contentTypes } from '../queue/batch.ts'
import { isCborPayload, parseCbor } from './parse-cbor.ts'
import { parseJson } from './parse-json.ts'
import { readFlat } from './read-flat.ts'
import { isSenml, readSenml } from './read-senml.ts'
import { readShapes } from './read-shapes.ts'
import type { Readings } from './readings.ts'

/** A payload in its batch. */
export interface PayloadSlice {
  readonly bytes: Buffer
  readonly payloadStart: number
  readonly payloadEnd: number
  readonly contentType: ContentType
}

/**
 * Reads a payload into `readings`, which are empty. Answers why it cannot be read at all, and then what stands in
 * `readings` does not count; parts that cannot be read are refused there one by one. Never throws.
 *
 * JSON and CBOR hold the shapes of telemetry (see `readShapes`), or SenML: where the content type says so, or where the
 * first record of an array can be nothing else (see `isSenml`).
 */
export function decode(
  payload: PayloadSlice,
  receivedAtMicros: number,
  readings: Readings,
): Refusal | undefined {
  const { bytes, payloadStart, payloadEnd, contentType } = payload
  if (payloadStart === payloadEnd) return refusal('payloadShape', 'the payload is empty')
  if (isPlain(bytes[payloadStart]!, contentType) && readFlat(bytes, payloadStart, payloadEnd, readings))
    return undefined
  const parsed = isCborPayload(bytes[payloadStart]!, contentType)
    ? parseCbor(bytes.subarray(payloadStart, payloadEnd))
    : parseJson(bytes, payloadStart, payloadEnd)
  if ('refusal' in parsed) return parsed.refusal
  return readParsed(parsed.value, contentType, receivedAtMicros, readings)
}

/** It may be what `readFlat` reads. */
function isPlain(firstByte: number, contentType: ContentType): boolean {
  return firstByte === 0x7b && (contentType === contentTypes.unknown || contentType === contentTypes.json)
}

function readParsed(
  value: unknown,
  contentType: ContentType,
  receivedAtMicros: number,
  readings: Readings,
): Refusal | undefined {
  const senml =
    contentType === contentTypes.senmlJson || contentType === contentTypes.senmlCbor || isSenml(value)
  const failure = senml ? readSenml(value, receivedAtMicros, readings) : readShapes(value, readings)
  return failure ?? (readings.tooMany ? tooMany : undefined)
}

const tooMany = refusal(
  'payloadTooManyValues',
  `the message holds more than ${limits.valuesPerMessageMax} values`,
)
