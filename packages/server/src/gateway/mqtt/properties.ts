import type { PacketReader } from './reader.ts'
import { malformed, protocolError } from './reasons.ts'

/** Properties that a client sends (MQTT 5.0, section 2.2.2.2); user properties are checked and left out. */
export interface Properties {
  payloadFormatIndicator?: number
  messageExpiryInterval?: number
  contentType?: string
  responseTopic?: string
  correlationData?: Buffer
  subscriptionIdentifier?: number
  sessionExpiryInterval?: number
  authenticationMethod?: string
  authenticationData?: Buffer
  requestProblemInformation?: number
  willDelayInterval?: number
  requestResponseInformation?: number
  reasonString?: string
  receiveMaximum?: number
  topicAliasMaximum?: number
  topicAlias?: number
  maximumPacketSize?: number
}

type Kind = 'flag' | 'uint16' | 'uint32' | 'variable' | 'string' | 'binary'

const table: readonly [number, keyof Properties, Kind][] = [
  [0x01, 'payloadFormatIndicator', 'flag'],
  [0x02, 'messageExpiryInterval', 'uint32'],
  [0x03, 'contentType', 'string'],
  [0x08, 'responseTopic', 'string'],
  [0x09, 'correlationData', 'binary'],
  [0x0b, 'subscriptionIdentifier', 'variable'],
  [0x11, 'sessionExpiryInterval', 'uint32'],
  [0x15, 'authenticationMethod', 'string'],
  [0x16, 'authenticationData', 'binary'],
  [0x17, 'requestProblemInformation', 'flag'],
  [0x18, 'willDelayInterval', 'uint32'],
  [0x19, 'requestResponseInformation', 'flag'],
  [0x1f, 'reasonString', 'string'],
  [0x21, 'receiveMaximum', 'uint16'],
  [0x22, 'topicAliasMaximum', 'uint16'],
  [0x23, 'topicAlias', 'uint16'],
  [0x27, 'maximumPacketSize', 'uint32'],
]
const byIdentifier = new Map(table.map(([identifier, name, kind]) => [identifier, { name, kind }]))
const userProperty = 0x26

/** What a packet may carry beside user properties. */
export type Allowed = ReadonlySet<keyof Properties>

const none: Properties = Object.freeze({})

export function readProperties(reader: PacketReader, allowed: Allowed): Properties {
  const length = reader.variableByteInteger()
  if (length === 0) return none
  const end = reader.at + length
  if (end > reader.end) throw malformed('the properties reach past the end of the packet')
  const properties: Properties = {}
  while (reader.at < end) readProperty(reader, allowed, properties)
  if (reader.at !== end) throw malformed('a property reaches past the properties')
  return properties
}

function readProperty(reader: PacketReader, allowed: Allowed, properties: Properties): void {
  const identifier = reader.variableByteInteger()
  if (identifier === userProperty) {
    reader.string()
    reader.string()
    return
  }
  const found = byIdentifier.get(identifier)
  if (!found || !allowed.has(found.name))
    throw malformed(`the property 0x${identifier.toString(16)} does not belong in this packet`)
  if (properties[found.name] !== undefined) throw protocolError(`the property ${found.name} is repeated`)
  ;(properties as Record<string, unknown>)[found.name] = readValue(reader, found.kind, found.name)
}

function readValue(reader: PacketReader, kind: Kind, name: string): number | string | Buffer {
  switch (kind) {
    case 'flag': {
      const value = reader.byte()
      if (value > 1) throw protocolError(`the property ${name} is neither 0 nor 1`)
      return value
    }
    case 'uint16':
      return reader.uint16()
    case 'uint32':
      return reader.uint32()
    case 'variable':
      return reader.variableByteInteger()
    case 'string':
      return reader.string()
    case 'binary':
      return reader.binary()
  }
}
