import { limits } from '@drover/protocol'
import { type Allowed, type Properties, readProperties } from './properties.ts'
import type { PacketReader } from './reader.ts'
import { malformed, protocolError, reasons, Violation } from './reasons.ts'

export interface ConnectPacket {
  readonly version: 4 | 5
  readonly cleanStart: boolean
  readonly keepAliveSeconds: number
  readonly clientId: string
  readonly properties: Properties
  readonly will: Will | undefined
  readonly username: string | undefined
  readonly password: Buffer | undefined
}

export interface Will {
  readonly topic: string
  readonly retain: boolean
}

const allowed: Allowed = new Set([
  'sessionExpiryInterval',
  'authenticationMethod',
  'authenticationData',
  'requestProblemInformation',
  'requestResponseInformation',
  'receiveMaximum',
  'topicAliasMaximum',
  'maximumPacketSize',
])
const allowedInWill: Allowed = new Set([
  'willDelayInterval',
  'payloadFormatIndicator',
  'messageExpiryInterval',
  'contentType',
  'responseTopic',
  'correlationData',
])

const flagBits = {
  reserved: 1,
  cleanStart: 2,
  will: 4,
  willQos: 0x18,
  willRetain: 0x20,
  password: 0x40,
  username: 0x80,
}

/** Reads the protocol name and version; they decide in which words everything else is refused. */
export function readProtocol(reader: PacketReader): 4 | 5 {
  const name = reader.string()
  const version = reader.byte()
  // [MQTT-3.1.2-1] Another name may be refused; 3.1 called itself MQIsdp.
  if (name !== 'MQTT' && name !== 'MQIsdp') throw malformed('the protocol is not MQTT')
  // [MQTT-3.1.2-2] Another version is refused in CONNACK.
  if (name !== 'MQTT' || (version !== 4 && version !== 5))
    throw new Violation(reasons.unsupportedProtocolVersion, `${name} version ${version} is not supported`)
  return version
}

/** Reads CONNECT after its protocol version. */
export function readConnect(version: 4 | 5, reader: PacketReader): ConnectPacket {
  const flags = reader.byte()
  checkFlags(version, flags)
  const keepAliveSeconds = reader.uint16()
  const properties = version === 5 ? readConnectProperties(reader) : {}
  // [MQTT-3.1.3-1] Client id, will properties, will topic, will payload, username, password: in this order.
  const clientId = reader.string()
  const will = (flags & flagBits.will) !== 0 ? readWill(version, flags, reader) : undefined
  const username = (flags & flagBits.username) !== 0 ? reader.string() : undefined
  const password = (flags & flagBits.password) !== 0 ? reader.binary() : undefined
  reader.finish()
  const cleanStart = (flags & flagBits.cleanStart) !== 0
  checkClientId(version, clientId, cleanStart)
  return { version, cleanStart, keepAliveSeconds, clientId, properties, will, username, password }
}

function checkFlags(version: 4 | 5, flags: number): void {
  // [MQTT-3.1.2-3] The reserved flag is 0.
  if ((flags & flagBits.reserved) !== 0) throw malformed('the reserved flag of CONNECT is set')
  const willQos = (flags & flagBits.willQos) >> 3
  // [MQTT-3.1.2-12] The will's QoS is not 3.
  if (willQos === 3) throw malformed('the QoS of the will is 3')
  // [MQTT-3.1.2-11], [MQTT-3.1.2-13] Without a will its QoS and retain flag are 0.
  if ((flags & flagBits.will) === 0 && (flags & (flagBits.willQos | flagBits.willRetain)) !== 0)
    throw malformed('flags of a will without a will')
  // 3.1.1 only: [MQTT-3.1.2-22] Without a username there is no password.
  if (version === 4 && (flags & flagBits.username) === 0 && (flags & flagBits.password) !== 0)
    throw malformed('a password without a username')
}

function readConnectProperties(reader: PacketReader): Properties {
  const properties = readProperties(reader, allowed)
  if (properties.receiveMaximum === 0) throw protocolError('the receive maximum is 0')
  if (properties.maximumPacketSize === 0) throw protocolError('the maximum packet size is 0')
  if (properties.authenticationData !== undefined && properties.authenticationMethod === undefined)
    throw protocolError('authentication data without a method')
  return properties
}

function readWill(version: 4 | 5, flags: number, reader: PacketReader): Will {
  if (version === 5) readProperties(reader, allowedInWill)
  const topic = reader.string()
  reader.binary()
  if (topic === '' || /[+#]/.test(topic)) throw malformed('the topic of the will is not possible')
  return { topic, retain: (flags & flagBits.willRetain) !== 0 }
}

function checkClientId(version: 4 | 5, clientId: string, cleanStart: boolean): void {
  // 3.1.1 only: [MQTT-3.1.3-7], [MQTT-3.1.3-8] Without a client id there is no session to come back to.
  if (clientId === '' && version === 4 && !cleanStart)
    throw new Violation(reasons.clientIdentifierNotValid, 'no client id, and a session that should last')
  if (Buffer.byteLength(clientId) > limits.clientIdBytesMax)
    throw new Violation(
      reasons.clientIdentifierNotValid,
      `the client id is longer than ${limits.clientIdBytesMax} bytes`,
    )
}
