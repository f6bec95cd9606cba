import { DroverError, isDroverError } from '@drover/protocol'

/** The answers of the broker that only somebody who changes its settings or Drover's can do something about. */
const refusals = new Set(['ACCESS_REFUSED', 'PRECONDITION_FAILED', 'NOT_ALLOWED'])

export function areSettingsWrong(error: unknown): boolean {
  return refusals.has((error as { code?: string }).code ?? '')
}

/** The error of the table for what the client throws. */
export function toDroverError(error: unknown): DroverError {
  if (isDroverError(error)) return error
  const { code = '', message } = error as Error & { code?: string }
  const reason = `RabbitMQ: ${code} ${message}`.replace(`${code} ${code}`, code).trim()
  return new DroverError(areSettingsWrong(error) ? 'badConfiguration' : 'queueUnavailable', { reason }, error)
}
