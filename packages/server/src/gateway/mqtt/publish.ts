import { limits, parsePublishTopic } from '@drover/protocol'
import { channels, contentTypes, recordFlags } from '../../queue/batch.ts'
import { acknowledge, puback, pubrec } from './acknowledgements.ts'
import { type Connection, pauses, resets } from './connection.ts'
import { type Allowed, readProperties } from './properties.ts'
import { decodeString, PacketReader } from './reader.ts'
import { malformed, protocolError, reasons, Violation } from './reasons.ts'

/** What a topic means for the device that publishes to it. */
const verdicts = { none: 0, telemetry: 1, foreign: 2, unknown: 3, invalid: 4 } as const
type Verdict = (typeof verdicts)[keyof typeof verdicts]

/** [MQTT-3.3.4-6] A client must not send a subscription identifier. */
const allowed: Allowed = new Set([
  'payloadFormatIndicator',
  'messageExpiryInterval',
  'topicAlias',
  'responseTopic',
  'correlationData',
  'contentType',
])

const contentTypeCodes = new Map<string, number>([
  ['application/json', contentTypes.json],
  ['application/senml+json', contentTypes.senmlJson],
  ['application/senml+cbor', contentTypes.senmlCbor],
  ['application/cbor', contentTypes.cbor],
])

/** What the properties of the last message said, so that reading them makes no object. */
let contentType = 0
let topicAlias = 0

/** PUBLISH, whose variable header and payload are `bytes` from `start` to `end`. The hot path: nothing is allocated here. */
export function handlePublish(
  connection: Connection,
  first: number,
  bytes: Buffer,
  start: number,
  end: number,
): void {
  const qos = (first >> 1) & 3
  // [MQTT-3.3.1-4] Both QoS bits must not be set. [MQTT-3.3.1-2] DUP must be 0 at QoS 0.
  if (qos === 3 || (qos === 0 && (first & 8) !== 0)) throw malformed('the flags of PUBLISH are not possible')
  const topicStart = start + 2
  const topicEnd = topicStart + ((bytes[start]! << 8) | bytes[start + 1]!)
  let at = qos === 0 ? topicEnd : topicEnd + 2
  if (end - start < 2 || at > end) throw malformed('PUBLISH is too short')
  const packetId = qos === 0 ? 0 : (bytes[topicEnd]! << 8) | bytes[topicEnd + 1]!
  // [MQTT-2.2.1-3] A packet identifier is not zero.
  if (qos !== 0 && packetId === 0) throw protocolError('the packet identifier is 0')

  contentType = contentTypes.unknown
  topicAlias = 0
  if (connection.version === 5) {
    at = readPublishProperties(bytes, at, end)
    // We state "Retain Available: 0" in CONNACK; in 3.1.1, where that cannot be said, the flag has no effect.
    if ((first & 1) !== 0) throw new Violation(reasons.retainNotSupported, 'retained messages are not kept')
  }
  const verdict =
    topicAlias === 0 && isTopic(connection.telemetryTopic, bytes, topicStart, topicEnd)
      ? verdicts.telemetry
      : findTopic(connection, bytes, topicStart, topicEnd)

  if (qos !== 0 && connection.inFlight >= limits.inFlightPerConnectionMax)
    atInFlightMax(connection, qos, packetId)
  if (verdict !== verdicts.telemetry) refuse(connection, qos, packetId, verdict)
  else if (end - at > limits.messageBytesMax) refuse(connection, qos, packetId, 'tooLarge')
  else if (qos === 2) acceptOnce(connection, packetId, bytes, at, end)
  else accept(connection, qos, packetId, bytes, at, end)
}

function accept(c: Connection, qos: number, packetId: number, bytes: Buffer, at: number, end: number): void {
  if (qos === 1 && c.version === 5 && c.unreleased?.has(packetId)) {
    acknowledge(c, puback, packetId, reasons.packetIdentifierInUse)
    return
  }
  const { collector, counters } = c.gateway
  collector.add(c.tenant, c.deviceUid, channels.telemetry, contentType, 0, '', bytes, at, end)
  if (qos === 0) {
    counters.messagesQos0++
    return
  }
  counters.messagesQos1++
  c.unacknowledged++
  acknowledge(c, puback, packetId)
}

/**
 * Whether the message was there before is found out in processing, in the order of the log, so that a gateway keeps
 * nothing that outlives it. [MQTT-4.3.3-9] PUBREC follows when the record is durable, as always.
 */
function acceptOnce(c: Connection, packetId: number, bytes: Buffer, at: number, end: number): void {
  let flags: number = recordFlags.deduplicate
  if (c.reset === resets.pending) {
    flags |= recordFlags.resetSession
    c.reset = resets.collected
  }
  c.unreleased ??= new Set()
  c.unreleased.add(packetId)
  const key = `m:${c.clientId}:${packetId}`
  c.gateway.collector.add(c.tenant, c.deviceUid, channels.telemetry, contentType, flags, key, bytes, at, end)
  c.gateway.counters.messagesQos2++
  acknowledge(c, pubrec, packetId)
}

/** At the receive maximum: 5.0 ends the connection [MQTT-3.3.4-9]; a 3.1.1 client, which was not told, is not read for a while. */
function atInFlightMax(c: Connection, qos: number, packetId: number): void {
  const text = `more than ${limits.inFlightPerConnectionMax} messages are in flight`
  if (c.version === 5) {
    // A message that is sent again takes no new place.
    if (!c.unreleased?.has(packetId)) throw new Violation(reasons.receiveMaximumExceeded, text)
  } else if (
    qos === 2 &&
    c.unreleased !== undefined &&
    c.unreleased.size >= limits.inFlightPerConnectionMax
  ) {
    // Waiting would not help: only its PUBREL, which then would not be read either, makes room.
    if (!c.unreleased.has(packetId)) throw new Violation(reasons.receiveMaximumExceeded, text)
  } else if (c.unacknowledged + c.flyingUnacknowledged > 0) c.pause(pauses.inFlight)
}

const refusals = {
  [verdicts.foreign]: { name: 'foreignTopic', reason: reasons.notAuthorized },
  [verdicts.unknown]: { name: 'unknownTopic', reason: reasons.topicNameInvalid },
  [verdicts.invalid]: { name: 'invalidTopic', reason: reasons.topicNameInvalid },
  tooLarge: { name: 'messageTooLarge', reason: reasons.quotaExceeded },
} as const

/**
 * Only 5.0 can refuse a message, and only at QoS 1 and 2. Otherwise to acknowledge, or to say nothing, would lose the
 * message silently: the connection ends.
 */
function refuse(c: Connection, qos: number, packetId: number, why: Verdict | 'tooLarge'): void {
  const { name, reason } = refusals[why as keyof typeof refusals]
  c.gateway.refused(name)
  if (c.version !== 5 || qos === 0) throw new Violation(reason, `a message was refused: ${name}`)
  c.gateway.notice(c, 'refused a message', { reason: name })
  acknowledge(c, qos === 1 ? puback : pubrec, packetId, reason)
}

function isTopic(topic: Buffer, bytes: Buffer, start: number, end: number): boolean {
  const { length } = topic
  if (length !== end - start || length === 0) return false
  for (let index = 0; index < length; index++) if (topic[index] !== bytes[start + index]) return false
  return true
}

function findTopic(c: Connection, bytes: Buffer, start: number, end: number): Verdict {
  if (topicAlias > 0) return findAliasedTopic(c, bytes, start, end)
  // [MQTT-4.7.3-1] A topic name has at least one character.
  if (start === end) throw protocolError('the topic is empty')
  return readTopic(c, bytes, start, end)
}

function findAliasedTopic(c: Connection, bytes: Buffer, start: number, end: number): Verdict {
  c.aliases ??= new Uint8Array(limits.topicAliasMax + 1)
  if (start < end) c.aliases[topicAlias] = readTopic(c, bytes, start, end)
  const verdict = c.aliases[topicAlias]! as Verdict
  if (verdict === verdicts.none)
    throw protocolError(`the topic alias ${topicAlias} has not been given a topic`)
  return verdict
}

function readTopic(c: Connection, bytes: Buffer, start: number, end: number): Verdict {
  const name = bytes.subarray(start, end)
  const topic = decodeString(name)
  // [MQTT-3.3.2-2] The topic name of PUBLISH has no wildcards.
  if (/[+#]/.test(topic)) return verdicts.invalid
  const { kind } = parsePublishTopic(topic, c.deviceId)
  if (kind === 'telemetry') c.telemetryTopic = Buffer.from(name)
  return verdicts[kind]
}

/** Sets `contentType` and `topicAlias`; returns where the payload starts. */
function readPublishProperties(bytes: Buffer, at: number, end: number): number {
  if (at < end && bytes[at] === 0) return at + 1
  const reader = new PacketReader(bytes, at, end)
  const properties = readProperties(reader, allowed)
  if (properties.contentType !== undefined)
    contentType = contentTypeCodes.get(mediaType(properties.contentType)) ?? contentTypes.unknown
  if (properties.topicAlias !== undefined) {
    topicAlias = properties.topicAlias
    // [MQTT-3.3.2-8], [MQTT-3.3.2-9] An alias is from 1 to the maximum that CONNACK stated.
    if (topicAlias === 0 || topicAlias > limits.topicAliasMax)
      throw new Violation(reasons.topicAliasInvalid, `the topic alias ${topicAlias} is not possible`)
  }
  // A message expiry needs nothing done: telemetry is stored at once and is not kept for anyone to be delivered to.
  return reader.at
}

function mediaType(text: string): string {
  return text.split(';', 1)[0]!.trim().toLowerCase()
}
