import { DroverError, isDroverError } from '@drover/protocol'
import { AuthenticationError } from '@platformatic/kafka'

/** What the client's error says, its own or the first one inside. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors.at(-1))
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message
}

export function unavailable(error: unknown): DroverError {
  if (isDroverError(error)) return error
  return new DroverError('queueUnavailable', { reason: `Kafka: ${reasonOf(error)}` }, error)
}

/** At the start, a wrong password is what somebody has to change; later, it is a broker that may have it again. */
export function refusedAtStart(error: unknown): DroverError {
  if (!isAuthentication(error)) return unavailable(error)
  return new DroverError('badConfiguration', { reason: `Kafka: ${reasonOf(error)}` }, error)
}

/** Whether the broker answered with this error of Kafka's protocol, such as `UNKNOWN_MEMBER_ID`. */
export function answered(error: unknown, ...ids: readonly string[]): boolean {
  const find = (error as { findBy?: (property: string, value: unknown) => unknown } | undefined)?.findBy
  return find !== undefined && ids.some((id) => find.call(error, 'apiId', id))
}

/** Whether the broker refused the user or the password. */
function isAuthentication(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const inside = error instanceof AggregateError ? error.errors : []
  return error instanceof AuthenticationError || [...inside, error.cause].some(isAuthentication)
}
