import { DroverError, errorTable, isDroverError, limits } from '@drover/protocol'
import { generate, writeToStream } from 'mqtt-packet'
import { reasons } from './reasons.ts'

// Each thread would hold a table of all 65,536 two-byte numbers otherwise (5 MB).
writeToStream.cacheNumbers = false

/** Return codes of CONNACK in 3.1.1 (section 3.2.2.3). */
const returnCodes = {
  accepted: 0,
  unacceptableVersion: 1,
  identifierRejected: 2,
  serverUnavailable: 3,
  badCredentials: 4,
  notAuthorized: 5,
} as const

export interface Acceptance {
  readonly version: 4 | 5
  readonly sessionPresent: boolean
  /** The client id, if the server chose it. */
  readonly assignedClientId: string | undefined
  /** Session expiry, if it is not what the client asked for. */
  readonly expirySeconds: number | undefined
  /** Keep alive, if it is not what the client asked for. */
  readonly keepAliveSeconds: number | undefined
}

export function acceptance(accepted: Acceptance): Buffer {
  const { version, sessionPresent } = accepted
  if (version === 4)
    return generate(
      { cmd: 'connack', sessionPresent, returnCode: returnCodes.accepted },
      { protocolVersion: 4 },
    )
  const properties = {
    // Maximum QoS is left out: its absence means 2 [section 3.2.2.3.4], and 2 itself is not a legal value.
    receiveMaximum: limits.inFlightPerConnectionMax,
    maximumPacketSize: limits.mqttPacketBytesMax,
    topicAliasMaximum: limits.topicAliasMax,
    retainAvailable: false,
    wildcardSubscriptionAvailable: false,
    subscriptionIdentifiersAvailable: false,
    sharedSubscriptionAvailable: false,
    ...(accepted.assignedClientId === undefined
      ? {}
      : { assignedClientIdentifier: accepted.assignedClientId }),
    ...(accepted.expirySeconds === undefined ? {} : { sessionExpiryInterval: accepted.expirySeconds }),
    ...(accepted.keepAliveSeconds === undefined ? {} : { serverKeepAlive: accepted.keepAliveSeconds }),
  }
  return generate(
    { cmd: 'connack', sessionPresent, reasonCode: reasons.success, properties },
    { protocolVersion: 5 },
  )
}

/** Why CONNECT is refused: a reason code of 5.0 and, where 3.1.1 has a word for it, that. */
export interface Refusal {
  readonly reason: number
  readonly returnCode: number | undefined
  readonly text: string
}

/** [MQTT-3.2.2-4] A refusal has session present 0, and the connection closes after it [MQTT-3.2.2-7]. */
export function refusal(version: 0 | 4 | 5, { reason, returnCode, text }: Refusal): Buffer | undefined {
  if (version === 5)
    return generate(
      { cmd: 'connack', sessionPresent: false, reasonCode: reason, properties: { reasonString: text } },
      { protocolVersion: 5 },
    )
  if (returnCode === undefined) return undefined
  return generate({ cmd: 'connack', sessionPresent: false, returnCode }, { protocolVersion: 4 })
}

const returnCodesByReason = new Map<number, number>([
  [reasons.unsupportedProtocolVersion, returnCodes.unacceptableVersion],
  [reasons.clientIdentifierNotValid, returnCodes.identifierRejected],
  [reasons.implementationSpecificError, returnCodes.notAuthorized],
])

/** 3.1.1 closes without CONNACK where it has no return code for the reason [MQTT-3.2.2-6 of 3.1.1]. */
export function refusalOfViolation(reason: number, text: string): Refusal {
  return { reason, returnCode: returnCodesByReason.get(reason), text }
}

/** What the directory of sessions rejects with, in the words of CONNACK. */
export function refusalOfError(error: unknown): Refusal {
  const known = isDroverError(error) ? error : new DroverError('internal', { requestId: 'mqtt' }, error)
  const { mqttReason, retryable } = errorTable[known.code]
  const returnCode =
    known.code === 'badCredentials'
      ? returnCodes.badCredentials
      : retryable
        ? returnCodes.serverUnavailable
        : returnCodes.notAuthorized
  return { reason: mqttReason ?? reasons.unspecifiedError, returnCode, text: known.message }
}
