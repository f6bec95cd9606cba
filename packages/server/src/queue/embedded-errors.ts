import { isLogError, type LogError } from '@drover/log'
import { DroverError } from '@drover/protocol'

/** The error of the table that says what the log's error says; what is not the log's is thrown as it is. */
export function toDroverError(error: unknown): DroverError {
  if (!isLogError(error)) throw error
  return translate(error)
}

function translate(error: LogError): DroverError {
  const { code, message, details } = error
  switch (code) {
    case 'full':
      return new DroverError('queueFull', details, error)
    case 'diskReserve':
      return new DroverError('diskReserveReached', details, error)
    case 'unavailable':
      return new DroverError('queueUnavailable', { reason: message }, error)
    case 'identityMismatch':
      return new DroverError('identityMismatch', { store: 'store', ...details }, error)
    case 'positionGone':
    case 'corrupt':
      return new DroverError('corruptData', { what: 'The log', reason: message }, error)
  }
}
