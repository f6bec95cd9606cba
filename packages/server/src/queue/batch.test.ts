import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import {
  BatchWriter,
  channels,
  contentTypes,
  lastReceivedAt,
  packRecords,
  ReceiptClock,
  RecordCursor,
} from './batch.ts'

const bootId = Buffer.from('0123456789abcdef', 'hex')
const clockAt = (micros: number) => new ReceiptClock(new SharedArrayBuffer(8), () => micros)
const writerAt = (micros: number) => new BatchWriter(bootId, clockAt(micros))

const add = (writer: BatchWriter, payload: Uint8Array, key = '') =>
  writer.add(1, 2, channels.telemetry, contentTypes.json, 0, key, payload)

test('records come out as they went in', () => {
  const fields = {
    tenant: fc.nat(0xffff_ffff),
    deviceUid: fc.nat(0xffff_ffff),
    channel: fc.constantFrom(...Object.values(channels)),
    contentType: fc.constantFrom(...Object.values(contentTypes)),
    flags: fc.nat(255),
    key: fc.string({ unit: 'binary', maxLength: 40 }).map((key) => key.toWellFormed()),
    payload: fc.uint8Array({ maxLength: 300 }),
  }
  const record = fc.record(fields, { noNullPrototype: true })
  const micros = 1_700_000_000_000_000
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 50 }), (records) => {
      const writer = writerAt(micros)
      for (const { tenant, deviceUid, channel, contentType, flags, key, payload } of records)
        writer.add(tenant, deviceUid, channel, contentType, flags, key, payload)
      const { bytes, count } = writer.seal()
      assert.equal(count, records.length)
      assert.equal(lastReceivedAt(bytes), micros + count - 1)
      const cursor = new RecordCursor(bytes)
      assert.equal(cursor.bootId, '0123456789abcdef')
      for (const [at, each] of records.entries()) {
        assert.ok(cursor.next())
        const { tenant, deviceUid, channel, contentType, flags, key } = cursor
        assert.deepEqual(
          { tenant, deviceUid, channel, contentType, flags, key, payload: new Uint8Array(cursor.payload) },
          each,
        )
        assert.equal(cursor.receivedAt, micros + at)
        assert.equal(cursor.messageCounter, at)
      }
      assert.equal(cursor.next(), false)
    }),
  )
})

test('records of several batches that are packed into one keep their times of receipt', () => {
  const record = { tenant: 1, deviceUid: 2, channel: 1, contentType: 3, flags: 1 }
  const records = [
    { ...record, key: 'a', receivedAt: 1_700_000_000_000_009, payload: Buffer.from('first') },
    { ...record, key: 'ü', receivedAt: 1_700_000_000_000_001, payload: Buffer.alloc(0) },
    { ...record, key: '', receivedAt: 1_700_000_000_000_005, payload: Buffer.from('third') },
  ]
  const cursor = new RecordCursor(packRecords(records))
  assert.equal(cursor.count, 3)
  for (const each of records) {
    assert.ok(cursor.next())
    const { tenant, deviceUid, channel, contentType, flags, key, receivedAt } = cursor
    assert.deepEqual(
      {
        tenant,
        deviceUid,
        channel,
        contentType,
        flags,
        key,
        receivedAt,
        payload: Buffer.from(cursor.payload),
      },
      each,
    )
  }
  assert.equal(cursor.next(), false)
})

test('a batch grows with its records, and message ids go on from batch to batch', () => {
  const writer = writerAt(1000)
  for (let at = 0; at < 1000; at++) assert.equal(add(writer, Buffer.alloc(1000, at)), at)
  const large = new RecordCursor(writer.seal().bytes)
  for (let at = 0; large.next(); at++)
    assert.ok(
      large.payload.every((byte) => byte === at % 256),
      `${at}`,
    )
  assert.equal(writer.count, 0)
  add(writer, Buffer.alloc(1))
  const next = new RecordCursor(writer.seal().bytes)
  next.next()
  assert.equal(next.messageCounter, 1000)
  assert.equal(next.receivedAt, 2000)
})

test('a buffer is as large as recent batches needed, and can be transferred', () => {
  const writer = writerAt(0)
  const sizeOf = (payloadBytes: number) => {
    add(writer, Buffer.alloc(payloadBytes))
    const { bytes } = writer.seal()
    const moved = structuredClone(bytes, { transfer: [bytes.buffer] })
    assert.equal(bytes.buffer.byteLength, 0)
    assert.ok(new RecordCursor(moved).next())
    return moved.buffer.byteLength
  }
  assert.equal(sizeOf(10), 4096)
  assert.ok(sizeOf(1 << 20) > 1 << 20)
  assert.ok(sizeOf(10) > 1 << 18, 'the next batch may be large again')
  for (let each = 0; each < 60; each++) sizeOf(10)
  assert.equal(sizeOf(10), 4096)
})

test('a buffer given back is used again, unless it was transferred or is far too large', () => {
  const writer = writerAt(0)
  const sealed = (payloadBytes: number) => {
    add(writer, Buffer.alloc(payloadBytes))
    return writer.seal()
  }
  const first = sealed(10)
  writer.reuse(first)
  const second = sealed(20)
  assert.equal(second.bytes.buffer, first.bytes.buffer)
  structuredClone(second.bytes, { transfer: [second.bytes.buffer] })
  writer.reuse(second)
  assert.equal(sealed(30).bytes.buffer.byteLength, 4096)
  const large = sealed(1 << 20)
  for (let each = 0; each < 60; each++) sealed(10)
  writer.reuse(large)
  assert.notEqual(sealed(10).bytes.buffer, large.bytes.buffer)
})

/** Walks over everything a cursor gives; any failure but a RangeError is passed on. */
function walk(bytes: Uint8Array): void {
  try {
    const cursor = new RecordCursor(bytes)
    while (cursor.next()) {
      assert.ok(cursor.keyStart <= cursor.payloadStart && cursor.payloadStart <= cursor.payloadEnd)
      assert.ok(cursor.payloadEnd <= bytes.length)
      assert.equal(cursor.payload.length, cursor.payloadEnd - cursor.payloadStart)
      assert.ok(Number.isFinite(cursor.receivedAt) && typeof cursor.key === 'string')
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
  }
}

test('garbage gives a RangeError, never bytes from outside the batch', () => {
  const writer = writerAt(1_700_000_000_000_000)
  for (let each = 0; each < 5; each++) add(writer, Buffer.from(`{"a":${each}}`), 'm:client:1')
  const good = writer.seal().bytes
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), walk))
  const changes = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(changes, fc.nat(good.length), (bytes, length) => {
      // A view into a larger buffer, so that reading too far would find something.
      const around = Buffer.alloc(good.length + 4096, 0xff)
      around.set(good)
      for (const [at, byte] of bytes) around[at] = byte
      walk(around.subarray(0, length))
      walk(around.subarray(0, good.length))
    }),
    { numRuns: 2000 },
  )
  for (let length = 0; length < good.length; length++)
    assert.throws(() => new RecordCursor(good.subarray(0, length)), RangeError)
})

test('receipt times rise over threads, whatever the clock does', async () => {
  const shared = new SharedArrayBuffer(8)
  const reserve = `
    const { workerData: { shared, module, seed } } = require('node:worker_threads')
    import(module).then(({ ReceiptClock }) => {
      let turn = seed
      // A clock that jumps back and forth by up to a second.
      const clock = new ReceiptClock(shared, () => 1_700_000_000_000_000 + (turn = (turn * 16807) % 2147483647) % 1_000_000)
      const ranges = []
      for (let each = 0; each < 5000; each++) {
        const count = 1 + (each % 7)
        ranges.push([clock.reserve(count), count])
      }
      require('node:worker_threads').parentPort.postMessage(ranges)
    })`
  const module = new URL('./batch.ts', import.meta.url).href
  const ranges = await Promise.all(
    [1, 2].map(async (seed) => {
      const worker = new Worker(reserve, { eval: true, workerData: { shared, module, seed } })
      const [own] = (await once(worker, 'message')) as [[number, number][]]
      for (let at = 1; at < own.length; at++) assert.ok(own[at]![0] > own[at - 1]![0], 'own times rise')
      return own
    }),
  )
  const all = ranges.flat().sort(([a], [b]) => a - b)
  for (let at = 1; at < all.length; at++)
    assert.ok(all[at - 1]![0] + all[at - 1]![1] <= all[at]![0], `${all[at - 1]} and ${all[at]} overlap`)
})

test('receipt times go on after those of an earlier run', () => {
  const clock = clockAt(1000)
  clock.startAfter(5000)
  assert.equal(clock.reserve(3), 5001)
  clock.startAfter(10)
  assert.equal(clock.reserve(1), 5004)
})
