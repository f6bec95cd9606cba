/**
 * The one table of errors. A code is public API: it is never renamed and never reused. REST answers
 * `{"error":{"code","message",…}}` with `status`; MQTT 5 answers `mqttReason`; the CLI prints the code and
 * the message. `docs/reference/errors.md` is generated from here.
 */
export interface ErrorEntry {
  /** What happened and what to do next, in one sentence or two; `{name}` is filled from the error's details. */
  readonly message: string
  /** The HTTP status. */
  readonly status: number
  /** Whether the same request may succeed later without being changed. */
  readonly retryable: boolean
  /** The MQTT 5.0 reason code (section 2.4), where the error can happen on an MQTT connection. */
  readonly mqttReason?: number
}

const table = {
  // access
  unauthenticated: {
    message: 'No credentials were given. Send `Authorization: Bearer <key>`, or sign in.',
    status: 401,
    retryable: false,
    mqttReason: 0x86,
  },
  badCredentials: {
    message: 'The credentials are wrong, revoked or of another device. Create a new token for the device.',
    status: 401,
    retryable: false,
    mqttReason: 0x86,
  },
  forbidden: {
    message: 'These credentials may not do that: {reason}.',
    status: 403,
    retryable: false,
    mqttReason: 0x87,
  },
  // requests
  badRequest: {
    message: 'The request is not valid: {reason}.',
    status: 400,
    retryable: false,
    mqttReason: 0x83,
  },
  notFound: { message: 'There is no {kind} {id}.', status: 404, retryable: false },
  alreadyExists: {
    message: 'There is a {kind} {id} already. Choose another id, or change the existing one.',
    status: 409,
    retryable: false,
  },
  inUse: { message: 'The {kind} {id} is in use by {by}.', status: 409, retryable: false },
  badIdentifier: {
    message:
      '{id} is not a valid identifier: 1 to 128 of letters, digits and . _ : - , starting with a letter or digit, and not `me`.',
    status: 400,
    retryable: false,
    mqttReason: 0x85,
  },
  badCursor: {
    message: 'The cursor is not one that this list gave out. Start again without a cursor.',
    status: 400,
    retryable: false,
  },
  methodNotAllowed: { message: '{method} is not possible here.', status: 405, retryable: false },
  unsupportedMediaType: {
    message: 'The content type {contentType} is not understood here; use one of {supported}.',
    status: 415,
    retryable: false,
  },
  // limits
  payloadTooLarge: {
    message: 'The message is larger than {limit} bytes. Split it.',
    status: 413,
    retryable: false,
    mqttReason: 0x95,
  },
  queryTooLarge: {
    message: 'The query would give more than {limit} {unit}. Narrow the time range, or widen `every`.',
    status: 400,
    retryable: false,
  },
  queryTimedOut: {
    message: 'The query took longer than {limitMs} ms and was stopped. Narrow it.',
    status: 503,
    retryable: true,
  },
  tooManyConnections: {
    message: 'The limit of {limit} connections is reached.',
    status: 503,
    retryable: true,
    mqttReason: 0x97,
  },
  tooManyRequests: {
    message: 'Too many requests wait for an answer. Send the next one after the last was answered.',
    status: 429,
    retryable: true,
    mqttReason: 0x96,
  },
  tooManyAttempts: {
    message: 'Too many failed attempts from this address. Wait {seconds} s.',
    status: 429,
    retryable: true,
    mqttReason: 0x9f,
  },
  // the state of the server
  queueFull: {
    message:
      'The queue is at its limit of {limit} bytes; nothing was accepted. It drains by itself; try again.',
    status: 503,
    retryable: true,
    mqttReason: 0x97,
  },
  queueUnavailable: {
    message: 'The queue does not accept messages now: {reason}. Nothing was accepted; try again.',
    status: 503,
    retryable: true,
    mqttReason: 0x88,
  },
  storeUnavailable: {
    message: 'The store does not answer now: {reason}. Try again.',
    status: 503,
    retryable: true,
  },
  registryUnavailable: {
    message: 'The registry does not answer now: {reason}. Try again.',
    status: 503,
    retryable: true,
    mqttReason: 0x88,
  },
  blobsUnavailable: {
    message: 'The storage of files does not answer now: {reason}. Try again.',
    status: 503,
    retryable: true,
  },
  diskReserveReached: {
    message:
      'Only {freeBytes} bytes are left on the disk; nothing is accepted below {reserveBytes}. Free some space.',
    status: 507,
    retryable: true,
    mqttReason: 0x97,
  },
  shuttingDown: {
    message: 'The server is stopping. Connect again in a moment.',
    status: 503,
    retryable: true,
    mqttReason: 0x8b,
  },
  internal: {
    message: 'Something went wrong on the server; its log has the details under {requestId}.',
    status: 500,
    retryable: true,
    mqttReason: 0x80,
  },
  // what a client finds in place of an answer
  serverUnreachable: {
    message:
      'Nothing answers at {address}: {reason}. Check that the server runs and that the address is right.',
    status: 503,
    retryable: true,
  },
  unexpectedAnswer: {
    message: '{address} answered, but not as a Drover server does: {reason}. Check the address.',
    status: 502,
    retryable: true,
  },
  // starting the server
  badConfiguration: { message: 'The configuration is not valid: {reason}.', status: 500, retryable: false },
  dataDirectoryInUse: {
    message:
      'Another Drover (process {pid}) uses {directory}. Stop it, or choose another directory with --data.',
    status: 500,
    retryable: false,
  },
  plaintextRefused: {
    message:
      '{listener} on {address} would send secrets unencrypted over the network. Use the TLS listener, or pass --allow-plaintext if the network itself is safe.',
    status: 500,
    retryable: false,
  },
  addressInUse: {
    message:
      '{listener} cannot listen on {address}: {reason}. Stop what uses it, or choose another with {flag}.',
    status: 500,
    retryable: false,
  },
  identityMismatch: {
    message:
      'The {store} holds positions of the log {expected}, but the log is {actual}: they do not belong together. Restore both from the same backup.',
    status: 500,
    retryable: false,
  },
  positionConflict: {
    message: 'Another processor has moved the position from {expected} to {actual}; this one stops.',
    status: 500,
    retryable: true,
  },
  corruptData: {
    message: '{what} is damaged: {reason}. Restore it from a backup.',
    status: 500,
    retryable: false,
  },
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof table

/** The table, by code. */
export const errorTable: Readonly<Record<ErrorCode, ErrorEntry>> = table

export type ErrorDetails = Readonly<Record<string, string | number | boolean>>

/** An expected failure. Its code is one of the table's; its message is the table's with the details filled in. */
export class DroverError extends Error {
  readonly code: ErrorCode
  readonly details: ErrorDetails

  constructor(code: ErrorCode, details: ErrorDetails = {}, cause?: unknown) {
    super(fillIn(errorTable[code].message, details), cause === undefined ? undefined : { cause })
    this.name = 'DroverError'
    this.code = code
    this.details = details
  }
}

function fillIn(template: string, details: ErrorDetails): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => String(details[name] ?? whole))
}

/** Narrows to a DroverError, also to one that crossed a thread and lost its class; with a code, to that one only. */
export function isDroverError(error: unknown, code?: ErrorCode): error is DroverError {
  if (typeof error !== 'object' || error === null) return false
  const found = (error as { code?: unknown }).code
  return (
    typeof found === 'string' && Object.hasOwn(errorTable, found) && (code === undefined || found === code)
  )
}

/** The body of every REST error. */
export interface ErrorBody {
  readonly error: {
    readonly code: ErrorCode
    readonly message: string
    readonly details: ErrorDetails
    readonly retryable: boolean
  }
}

export function errorBody(error: DroverError): ErrorBody {
  const { code, message, details } = error
  return { error: { code, message, details, retryable: errorTable[code].retryable } }
}
