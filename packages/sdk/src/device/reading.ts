import { DroverError, type JsonValue, limits } from '@drover/protocol'

/** A value of one metric: number, boolean, string, JSON, or a location `{latitude, longitude, elevation?}`. */
export type TelemetryValue = JsonValue
/** A moment: milliseconds since 1970 (fractions down to the microsecond), a Date, or RFC 3339 text. */
export type Time = number | Date | string

export interface Reading {
  readonly values: Readonly<Record<string, TelemetryValue>>
  /** When it was measured; without it, the moment of publishing. */
  readonly time?: Time
}

/** Milliseconds since 1970. Throws `badRequest` for what is no time. */
export function toMilliseconds(time: Time): number {
  const milliseconds =
    typeof time === 'number' ? time : time instanceof Date ? time.getTime() : Date.parse(time)
  if (!Number.isFinite(milliseconds))
    throw new DroverError('badRequest', { reason: `${String(time)} is not a time` })
  return milliseconds
}

/**
 * Stamps readings that carry no time: the clock's milliseconds, but never the same twice, so that two readings of one
 * device never fold into one point.
 */
export function createStamper(nowMs: () => number): () => number {
  let lastMicros = 0
  return () => {
    lastMicros = Math.max(Math.round(nowMs() * 1000), lastMicros + 1)
    return lastMicros / 1000
  }
}

/** The payload of one message. Throws `badRequest` for values that JSON cannot carry, `payloadTooLarge` past the limit. */
export function encodeReadings(readings: readonly Reading[], stamp: () => number): Buffer {
  const messages = readings.map(({ values, time }) => {
    refuseNotFinite(values)
    return { ts: time === undefined ? stamp() : toMilliseconds(time), values }
  })
  const payload = Buffer.from(JSON.stringify(messages.length === 1 ? messages[0] : messages))
  if (payload.length > limits.messageBytesMax)
    throw new DroverError('payloadTooLarge', { limit: limits.messageBytesMax })
  return payload
}

/** JSON would turn such a number into null without a word. */
function refuseNotFinite(values: Reading['values']): void {
  for (const [metric, value] of Object.entries(values)) {
    if (typeof value === 'number' && !Number.isFinite(value))
      throw new DroverError('badRequest', { reason: `the value of ${metric} is ${value}` })
  }
}
