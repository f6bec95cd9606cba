import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRecordsBatch, type MessageRecord, Reader, readRecordsBatches } from '@platformatic/kafka'
import { BatchWriter, channels, contentTypes, ReceiptClock, RecordCursor, recordFlags } from '../batch.ts'
import { PartitionReader } from './partition-reader.ts'
import { toMessage } from './record.ts'

const micros = 1_700_000_000_000_000
const clock = new ReceiptClock(new SharedArrayBuffer(8), () => micros)

/** The topic's records of a batch with these payloads. */
function written(writer: BatchWriter, ...payloads: readonly string[]): MessageRecord[] {
  for (const payload of payloads)
    writer.add(
      1,
      7,
      channels.release,
      contentTypes.senmlCbor,
      recordFlags.resetSession,
      'key ü',
      Buffer.from(payload),
    )
  const cursor = new RecordCursor(writer.seal().bytes)
  const messages: MessageRecord[] = []
  while (cursor.next()) messages.push(toMessage(cursor, 'topic', 0) as MessageRecord)
  return messages
}

/** As a broker gives them, the first one at `offset`. */
function fetched(offset: number, messages: MessageRecord[]) {
  const [batch] = readRecordsBatches(Reader.from(createRecordsBatch(messages).buffer))
  return { ...batch!, firstOffset: BigInt(offset) }
}

const writerOf = (id: string) => new BatchWriter(Buffer.from(id.repeat(8)), clock)
const read = (reader: PartitionReader, ...batches: ReturnType<typeof fetched>[]) =>
  reader.take(batches).map(({ firstPosition, bytes }) => {
    const cursor = new RecordCursor(bytes)
    const texts: string[] = []
    while (cursor.next()) texts.push(cursor.payload.toString())
    return [firstPosition, texts.join(' ')]
  })

test('a record comes out of the topic as it went in', () => {
  const reader = new PartitionReader(0, 'id', 0, 1 << 20)
  const [delivery] = reader.take([fetched(0, written(writerOf('a'), 'x'))])
  const cursor = new RecordCursor(delivery!.bytes)
  assert.ok(cursor.next())
  const { tenant, deviceUid, channel, contentType, flags, key, receivedAt } = cursor
  assert.deepEqual([tenant, deviceUid, channel, contentType, flags, key], [1, 7, 2, 3, 2, 'key ü'])
  assert.ok(receivedAt >= micros && receivedAt < micros + 1000)
  assert.equal(cursor.payload.toString(), 'x')
})

test('what was sent again is given once, a gap parts deliveries, and what is not of Drover is passed over', () => {
  const reader = new PartitionReader(0, 'id', 3, 1 << 20)
  const [a, b] = [writerOf('a'), writerOf('b')]
  const first = written(a, 'a0', 'a1')
  const second = written(a, 'a2')
  assert.deepEqual(read(reader, fetched(1, written(b, 'before', 'before', 'b2'))), [[4, 'b2']])
  assert.deepEqual(
    read(
      reader,
      fetched(4, [...first, ...second]),
      fetched(7, [...first, ...second]),
      fetched(10, written(b, 'b3')),
    ),
    [
      [5, 'a0 a1 a2'],
      [11, 'b3'],
    ],
  )
  const foreign = { topic: 'topic', key: Buffer.from('k'), value: Buffer.from('v'), headers: new Map() }
  assert.deepEqual(read(reader, fetched(11, [foreign, ...written(a, 'a3')])), [[13, 'a3']])
  assert.equal(reader.foreign, 1)
  assert.equal(reader.nextOffset, 13)
})

test('deliveries are as large as allowed, and hold one record at least', () => {
  const one = new PartitionReader(0, 'id', 0, 1)
  assert.deepEqual(read(one, fetched(0, written(writerOf('a'), 'a0', 'a1'))), [
    [1, 'a0'],
    [2, 'a1'],
  ])
})
