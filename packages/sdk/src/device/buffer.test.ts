import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { type BufferLimits, MessageBuffer } from './buffer.ts'

function message(text: string) {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  promise.catch(() => undefined)
  return { payload: Buffer.from(text), resolve, reject, promise }
}

function filled(texts: string, limits: BufferLimits = { messagesMax: 100, bytesMax: 1000 }) {
  const buffer = new MessageBuffer(limits)
  const messages = [...texts].map(message)
  for (const one of messages) buffer.add(one)
  return { buffer, messages }
}

function takeAll(buffer: MessageBuffer): string {
  let texts = ''
  for (let next = buffer.takeNext(); next; next = buffer.takeNext()) texts += next.payload.toString()
  return texts
}

test('gives messages in order', () => {
  assert.equal(takeAll(filled('abcdef').buffer), 'abcdef')
})

test('keeps its order over thousands of messages that come and go', () => {
  const buffer = new MessageBuffer({ messagesMax: 10, bytesMax: 1000 })
  for (let number = 0; number < 5000; number++) {
    buffer.add(message(String(number)))
    const taken = buffer.takeNext()!
    assert.equal(taken.payload.toString(), String(number))
    buffer.settle(taken)
  }
  assert.equal(buffer.size, 0)
})

test('refuses the message over the limit of messages and of bytes', () => {
  const { buffer } = filled('abc', { messagesMax: 3, bytesMax: 1000 })
  assert.throws(
    () => buffer.add(message('d')),
    (error) => isDroverError(error, 'queueFull'),
  )
  const small = filled('abc', { messagesMax: 100, bytesMax: 4 }).buffer
  assert.throws(
    () => small.add(message('de')),
    (error) => isDroverError(error, 'queueFull'),
  )
  small.add(message('d'))
})

test('counts what is in flight until it is settled', () => {
  const { buffer } = filled('abc', { messagesMax: 3, bytesMax: 1000 })
  const first = buffer.takeNext()!
  assert.equal(buffer.hasRoomFor(1), false)
  buffer.settle(first)
  assert.equal(buffer.hasRoomFor(1), true)
  assert.deepEqual([buffer.size, buffer.inFlight, buffer.waiting], [2, 0, 2])
})

test('after a lost connection, sends what was in flight first and in its order', () => {
  const { buffer } = filled('abcdef')
  const [first] = [buffer.takeNext()!, buffer.takeNext(), buffer.takeNext()]
  buffer.settle(first)
  buffer.returnInFlight()
  assert.equal(takeAll(buffer), 'bcdef')
})

test('an acknowledgement that comes twice settles once', () => {
  const { buffer } = filled('ab')
  const first = buffer.takeNext()!
  buffer.settle(first)
  buffer.settle(first)
  assert.equal(buffer.size, 1)
})

test('gives up the oldest that waits, never what is in flight', async () => {
  const { buffer, messages } = filled('abc')
  buffer.takeNext()
  assert.equal(buffer.dropOldest(new Error('full')), true)
  await assert.rejects(messages[1]!.promise, /full/)
  assert.equal(takeAll(buffer), 'c')
  assert.equal(buffer.dropOldest(new Error('full')), false)
})

test('room resolves when an acknowledgement makes some', async () => {
  const { buffer } = filled('abc', { messagesMax: 3, bytesMax: 1000 })
  let hasRoom = false
  const room = buffer.room().then(() => {
    hasRoom = true
  })
  await Promise.resolve()
  assert.equal(hasRoom, false)
  buffer.settle(buffer.takeNext()!)
  await room
})

test('rejects everything at once', async () => {
  const { buffer, messages } = filled('abc')
  buffer.takeNext()
  buffer.rejectAll(new Error('closed'))
  for (const { promise } of messages) await assert.rejects(promise, /closed/)
  assert.equal(buffer.size, 0)
})
