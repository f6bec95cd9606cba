/**
 * - `full`: the batches kept would exceed `bytesMax`.
 * - `diskReserve`: less than the reserve is free on the disk, or nothing at all.
 * - `unavailable`: the file cannot be written or read now (locked, input/output error).
 * - `identityMismatch`: the position was given by another log, or by another life of this one.
 * - `positionGone`: the log does not keep what comes after the position, or never got that far.
 * - `corrupt`: the file is damaged or not a log.
 */
export type LogErrorCode =
  | 'full'
  | 'diskReserve'
  | 'unavailable'
  | 'identityMismatch'
  | 'positionGone'
  | 'corrupt'

export type LogErrorDetails = Readonly<Record<string, string | number>>

export class LogError extends Error {
  readonly code: LogErrorCode
  readonly details: LogErrorDetails

  constructor(code: LogErrorCode, message: string, details: LogErrorDetails = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'LogError'
    this.code = code
    this.details = details
  }
}

export function isLogError(error: unknown, code?: LogErrorCode): error is LogError {
  return error instanceof LogError && (code === undefined || error.code === code)
}

/** SQLite's primary result codes, https://sqlite.org/rescode.html */
const resultCodes = { corrupt: 11, full: 13, notADatabase: 26 } as const

/** What a failure of SQLite means to the log's user; anything else is passed through. */
export function fromSqlite(error: unknown): unknown {
  const { errcode, message } = error as { errcode?: unknown; message?: string }
  if (typeof errcode !== 'number') return error
  const primary = errcode & 0xff
  if (primary === resultCodes.full)
    return new LogError('diskReserve', 'The disk is full', { freeBytes: 0, reserveBytes: 0 }, error)
  if (primary === resultCodes.corrupt || primary === resultCodes.notADatabase)
    return new LogError('corrupt', `The log's file is damaged: ${message}`, {}, error)
  return new LogError('unavailable', `The log's file cannot be used now: ${message}`, {}, error)
}
