import { type DroverError, type ErrorCode, isDroverError } from '@drover/protocol'

/** Where the message of the table speaks of headers. */
const messages: Partial<Record<ErrorCode, string>> = { unauthenticated: 'No key was given.' }

/** What to do next on the command line, where the message of the table speaks of requests. */
const nextSteps: Partial<Record<ErrorCode, (error: DroverError) => string>> = {
  unauthenticated: () => keyHint,
  badCredentials: () => keyHint,
  serverUnreachable: () => 'Start the server with `drover up`, or say where it is with --url.',
  unexpectedAnswer: () => 'Say where the server is with --url.',
  notFound: ({ details }) =>
    details.kind === 'profile' ? 'See `drover profiles list`.' : 'See `drover devices list`.',
  alreadyExists: ({ details }) =>
    details.kind === 'device' ? `See \`drover devices show ${details.id}\`.` : 'Choose another id.',
}
const keyHint =
  'Give the administrator key with --key, DROVER_KEY or --key-file DATA/admin-key (by default ./data/admin-key is read).'

/** What a person reads of a failure: its code, what happened, what to do next. */
export function describeFailure(error: unknown): string {
  if (isDroverError(error)) {
    const next = nextSteps[error.code]?.(error)
    return `drover: ${error.code}: ${messages[error.code] ?? error.message}${next === undefined ? '' : `\n${next}`}`
  }
  if (isFileError(error)) return `drover: ${error.code}: ${error.message}. Check the path.`
  return `drover: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
}

function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'path' in error && 'code' in error
}
