/**
 * Why a value or a whole message was not stored. A code is public API, as those of the error table.
 * `docs/reference/errors.md` lists them too.
 */
const reasons = {
  payloadNotJson: 'The payload is not valid JSON.',
  payloadNotCbor: 'The payload is not valid CBOR.',
  payloadNotSenml: 'The payload is not valid SenML (RFC 8428).',
  payloadShape: 'The payload is not one of the shapes that telemetry can have.',
  payloadTooDeep: 'The payload is nested too deeply.',
  payloadTooManyValues: 'The message holds more values than allowed.',
  metricName: 'The name of the metric is not valid.',
  metricUnknown: 'The profile does not know the metric and refuses unknown ones.',
  metricLimit: 'The device has as many metrics as it may have.',
  typeMismatch: 'The value is of another type than the profile, or the metric so far, says.',
  notFinite: 'The number is not finite.',
  stringTooLong: 'The string is longer than allowed.',
  outOfRange: 'The value is outside the physical range that the profile gives.',
  timeInvalid: 'The time cannot be read.',
  timeTooOld: 'The time is before the oldest that the profile accepts.',
  timeInFuture: 'The time is further ahead than the profile accepts.',
  deviceUnknown: 'The device does not exist any more.',
} as const

export type QuarantineReason = keyof typeof reasons

export const quarantineReasons: Readonly<Record<QuarantineReason, string>> = reasons
