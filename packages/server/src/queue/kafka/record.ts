import type { KafkaRecord, MessageToProduce } from '@platformatic/kafka'
import { channels, contentTypes, type RecordCursor, type StampedRecord } from '../batch.ts'

/**
 * A record of the topic is one message of a device, so that every tool for Kafka can read it: the key is `tenant/uid`, the value
 * the payload as it was sent, the rest are headers in UTF-8, which docs/reference/kafka.md describes.
 */
const names = {
  tenant: Buffer.from('tenant'),
  device: Buffer.from('device'),
  channel: Buffer.from('channel'),
  receivedAt: Buffer.from('received-at'),
  messageId: Buffer.from('message-id'),
  contentType: Buffer.from('content-type'),
  flags: Buffer.from('flags'),
  key: Buffer.from('key'),
} as const

/** What the record takes beside its payload and key, at most. */
const overheadBytes = 320

const channelNames = new Map(
  Object.entries(channels).map(([name, code]) => [code as number, Buffer.from(name)]),
)
const channelCodes = new Map<string, number>(Object.entries(channels))

const mediaTypes: readonly (readonly [number, string])[] = [
  [contentTypes.json, 'application/json'],
  [contentTypes.senmlJson, 'application/senml+json'],
  [contentTypes.senmlCbor, 'application/senml+cbor'],
  [contentTypes.cbor, 'application/cbor'],
]
const contentTypeNames = new Map(mediaTypes.map(([code, name]) => [code, Buffer.from(name)]))
const contentTypeCodes = new Map(mediaTypes.map(([code, name]) => [name, code]))

/** Bytes that the cursor's record takes in the topic, or a little more. */
export function recordBytes(cursor: RecordCursor): number {
  return cursor.payloadEnd - cursor.keyStart + overheadBytes
}

/** The cursor's record; its payload is a view of the batch. */
export function toMessage(cursor: RecordCursor, topic: string, partition: number): MessageToProduce {
  const { receivedAt, contentType, flags } = cursor
  const headers = new Map<Buffer, Buffer>([
    [names.tenant, text(cursor.tenant)],
    [names.device, text(cursor.deviceUid)],
    [names.channel, channelNames.get(cursor.channel)!],
    [names.receivedAt, text(receivedAt)],
    [names.messageId, text(`${cursor.bootId}:${cursor.messageCounter}`)],
  ])
  const mediaType = contentTypeNames.get(contentType)
  if (mediaType) headers.set(names.contentType, mediaType)
  if (flags !== 0) headers.set(names.flags, text(flags))
  if (cursor.keyStart < cursor.payloadStart)
    headers.set(names.key, cursor.bytes.subarray(cursor.keyStart, cursor.payloadStart))
  return {
    topic,
    partition,
    key: text(`${cursor.tenant}/${cursor.deviceUid}`),
    value: cursor.payload,
    headers,
    timestamp: BigInt(Math.floor(receivedAt / 1000)),
  }
}

const text = (value: number | string) => Buffer.from(String(value))

export interface ReadRecord {
  readonly record: StampedRecord
  /** Who wrote it, and the number of the record there. */
  readonly bootId: string
  readonly counter: number
}

/** What `toMessage` wrote, or undefined for a record that is not one of Drover's. */
export function fromRecord({ value, headers }: KafkaRecord): ReadRecord | undefined {
  const found = new Map<string, string>()
  for (const [name, content] of headers)
    if (name && content) found.set(name.toString('latin1'), content.toString())
  const [bootId, counter] = (found.get('message-id') ?? '').split(':')
  const record = {
    tenant: wholeNumber(found.get('tenant')),
    deviceUid: wholeNumber(found.get('device')),
    channel: channelCodes.get(found.get('channel') ?? '') ?? Number.NaN,
    contentType: contentTypeCodes.get(found.get('content-type') ?? '') ?? contentTypes.unknown,
    flags: wholeNumber(found.get('flags') ?? '0'),
    key: found.get('key') ?? '',
    receivedAt: wholeNumber(found.get('received-at')),
    payload: value ?? Buffer.alloc(0),
  }
  const { tenant, deviceUid, channel, flags, receivedAt } = record
  const read = { record, bootId: bootId!, counter: wholeNumber(counter) }
  const isWhole = ![tenant, deviceUid, channel, flags, receivedAt, read.counter].some(Number.isNaN)
  return isWhole && flags <= 0xff ? read : undefined
}

function wholeNumber(digits: string | undefined): number {
  return digits !== undefined && /^\d{1,16}$/.test(digits) ? Number(digits) : Number.NaN
}
