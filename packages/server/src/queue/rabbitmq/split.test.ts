import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BatchWriter, channels, contentTypes, ReceiptClock, RecordCursor } from '../batch.ts'
import { partitionOf } from '../partition.ts'
import { splitBatch } from './split.ts'

function batchOf(devices: number, payloadBytes = 20) {
  const clock = new ReceiptClock(new SharedArrayBuffer(8), () => 1_700_000_000_000_000)
  const writer = new BatchWriter(Buffer.from('0123456789abcdef', 'hex'), clock)
  for (let uid = 1; uid <= devices; uid++)
    writer.add(1, uid, channels.telemetry, contentTypes.json, 0, `k${uid}`, Buffer.alloc(payloadBytes, uid))
  return writer.seal()
}

function recordsOf(bytes: Uint8Array) {
  const cursor = new RecordCursor(bytes)
  const records = []
  while (cursor.next()) {
    const { deviceUid, key, receivedAt, messageCounter, bootId } = cursor
    records.push({
      deviceUid,
      key,
      receivedAt,
      id: `${bootId}-${messageCounter}`,
      payload: cursor.payload[0],
    })
  }
  return records
}

test('each record goes to the partition of its device, and all keep an id and a time of their own', () => {
  const batch = batchOf(50)
  const parts = splitBatch(batch, 4, 65_536)
  const split = parts.flatMap(({ bytes, partition, count, messageId }) => {
    const records = recordsOf(bytes)
    assert.equal(records.length, count)
    assert.equal(records[0]!.id, messageId)
    for (const { deviceUid } of records) assert.equal(partitionOf(deviceUid, 4), partition)
    return records
  })
  const sorted = (values: readonly (string | number)[]) => [...values].sort()
  const before = recordsOf(batch.bytes)
  for (const field of ['key', 'receivedAt', 'id'] as const)
    assert.deepEqual(sorted(split.map((each) => each[field])), sorted(before.map((each) => each[field])))
  for (const { deviceUid, key, payload } of split)
    assert.deepEqual({ key, payload }, { key: `k${deviceUid}`, payload: deviceUid })
  assert.deepEqual(splitBatch(batch, 4, 65_536), parts, 'the same batch gives the same parts')
})

test('a part has at most so many bytes, or one record', () => {
  const parts = splitBatch(batchOf(20, 1000), 1, 4096)
  assert.ok(parts.every(({ bytes }) => bytes.length <= 4096))
  assert.equal(parts.length, 7)
  assert.equal(splitBatch(batchOf(3, 1000), 1, 10).length, 3)
})
