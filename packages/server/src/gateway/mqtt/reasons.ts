/** Reason codes of MQTT 5.0 (section 2.4), as far as a server sends them. */
export const reasons = {
  success: 0x00,
  unspecifiedError: 0x80,
  malformedPacket: 0x81,
  protocolError: 0x82,
  implementationSpecificError: 0x83,
  unsupportedProtocolVersion: 0x84,
  clientIdentifierNotValid: 0x85,
  notAuthorized: 0x87,
  serverUnavailable: 0x88,
  serverShuttingDown: 0x8b,
  badAuthenticationMethod: 0x8c,
  keepAliveTimeout: 0x8d,
  sessionTakenOver: 0x8e,
  topicFilterInvalid: 0x8f,
  topicNameInvalid: 0x90,
  packetIdentifierInUse: 0x91,
  packetIdentifierNotFound: 0x92,
  receiveMaximumExceeded: 0x93,
  topicAliasInvalid: 0x94,
  packetTooLarge: 0x95,
  quotaExceeded: 0x97,
  administrativeAction: 0x98,
  retainNotSupported: 0x9a,
  sharedSubscriptionsNotSupported: 0x9e,
  subscriptionIdentifiersNotSupported: 0xa1,
  wildcardSubscriptionsNotSupported: 0xa2,
} as const

/** The sender broke the standard: the connection ends with this reason code. */
export class Violation extends Error {
  readonly reason: number

  constructor(reason: number, message: string) {
    super(message)
    this.name = 'Violation'
    this.reason = reason
  }
}

export function malformed(message: string): Violation {
  return new Violation(reasons.malformedPacket, message)
}

export function protocolError(message: string): Violation {
  return new Violation(reasons.protocolError, message)
}
