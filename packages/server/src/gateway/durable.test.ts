import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { DroverError, limits } from '@drover/protocol'
import { eventually } from '../../../../tests/support/wait.ts'
import { connectPacket, holdingQueue, publishPacket, startTestGateway, testDevice } from './test-kit.ts'

test('nothing is acknowledged before it is durable, whatever the QoS', async (t) => {
  const { wrap, release } = holdingQueue()
  const gateway = await startTestGateway(t, { wrap })
  const client = await gateway.client()
  client.send(publishPacket({ id: 1 }), publishPacket({ id: 2, qos: 2 }), Buffer.from('c000', 'hex'))
  // PINGRESP shows that both were read.
  await client.next('pingresp')
  await new Promise(setImmediate)
  assert.deepEqual(client.received, [])
  release()
  await client.next('puback')
  await client.next('pubrec')
  assert.equal((await gateway.records()).length, 2)
})

test('while the queue fails nobody is acknowledged or read; when it is well all of it is there, in order', async (t) => {
  const gateway = await startTestGateway(t)
  const clients = await Promise.all(
    [1, 2, 3].map(async (uid) => {
      const client = await gateway.wire()
      client.send(connectPacket({}, testDevice(uid)))
      await client.next('connack')
      return client
    }),
  )
  gateway.queue.fail('the disk is gone')
  for (let id = 1; id <= 50; id++)
    for (const client of clients) client.send(publishPacket({ id, payload: `${id}` }))
  await eventually(() => {
    const { appendFailures, congested } = gateway.gateway.metrics()
    return appendFailures >= 2 && congested === 1
  })
  for (const client of clients) {
    assert.deepEqual(client.received, [])
    client.send(publishPacket({ id: 51, payload: '51' }))
  }
  await eventually(() => gateway.gateway.metrics().pausedConnections === 3)
  gateway.queue.recover()
  for (const client of clients)
    for (let id = 1; id <= 51; id++) assert.equal((await client.next('puback')).messageId, id)
  const records = await gateway.records()
  for (const uid of [1, 2, 3])
    assert.deepEqual(
      records.filter(({ deviceUid }) => deviceUid === uid).map(({ text }) => Number(text)),
      Array.from({ length: 51 }, (_, index) => index + 1),
    )
  const { congested, pausedConnections, pendingBytes } = gateway.gateway.metrics()
  assert.deepEqual(
    { congested, pausedConnections, pendingBytes },
    { congested: 0, pausedConnections: 0, pendingBytes: 0 },
  )
})

test('an error that no repetition mends closes those whose messages are lost, and only those', async (t) => {
  let broken = true
  const gateway = await startTestGateway(t, {
    wrap: (queue) => ({
      append: async (batch) => {
        if (broken) throw new DroverError('corruptData', { what: 'the log', reason: 'test' })
        return queue.append(batch)
      },
    }),
  })
  const sender = await gateway.client({ clientId: 'sender' })
  const other = await gateway.client({ clientId: 'other' })
  sender.send(publishPacket())
  assert.equal((await sender.next('disconnect')).reasonCode, 0x80)
  await sender.closed
  broken = false
  other.send(publishPacket())
  await other.next('puback')
})

test('bytes that wait for a slow queue are bounded', async (t) => {
  const { wrap, release } = holdingQueue()
  const pendingBytesMax = 1_000_000
  const gateway = await startTestGateway(t, { wrap, pendingBytesMax })
  const client = await gateway.client()
  const payload = 'x'.repeat(100_000)
  const count = 400
  let sent = 0
  const sending = (async () => {
    for (let id = 1; id <= count; id++, sent++)
      if (!client.socket.write(publishPacket({ qos: 0, payload }))) await once(client.socket, 'drain')
  })()
  await eventually(() => gateway.gateway.metrics().pausedConnections === 1)
  const { pendingBytes } = gateway.gateway.metrics()
  assert.ok(
    pendingBytes < pendingBytesMax + limits.batchBytesMax + limits.readBytesPerTurnMax,
    `${pendingBytes} bytes`,
  )
  assert.ok(sent < count)
  release()
  await sending
  await eventually(() => gateway.gateway.metrics().messagesQos0 === count)
  await eventually(() => gateway.gateway.metrics().pendingBytes === 0)
  assert.equal((await gateway.records()).length, count)
})

test('one device that floods does not keep another from its answers', async (t) => {
  const gateway = await startTestGateway(t)
  const flooding = await gateway.client({ clientId: 'flooding' })
  const calm = await gateway.wire()
  calm.send(connectPacket({}, testDevice(2)))
  await calm.next('connack')
  const flood = Buffer.concat(Array.from({ length: 20_000 }, () => publishPacket({ qos: 0 })))
  let flooded = true
  const stop = () => {
    flooded = false
  }
  const flooded_ = (async () => {
    while (flooded) if (!flooding.socket.write(flood)) await once(flooding.socket, 'drain')
  })()
  const waits: number[] = []
  for (let id = 1; id <= 100; id++) {
    const startedAt = performance.now()
    calm.send(publishPacket({ id }))
    await calm.next('puback')
    waits.push(performance.now() - startedAt)
  }
  stop()
  await flooded_
  waits.sort((a, b) => a - b)
  assert.ok(waits[50]! < 250, `median ${waits[50]} ms`)
  assert.ok(gateway.gateway.metrics().messagesQos0 > 20_000)
})

test('who does not read its answers is closed', async (t) => {
  const gateway = await startTestGateway(t)
  const client = await gateway.client({ protocolVersion: 4 })
  client.socket.pause()
  const pings = Buffer.alloc(200_000, Buffer.from('c000', 'hex'))
  const sending = (async () => {
    while (!client.socket.destroyed) {
      if (client.socket.write(pings)) await new Promise(setImmediate)
      else
        await Promise.race([
          once(client.socket, 'drain').catch(() => {}),
          client.closed,
          new Promise((resolve) => setTimeout(resolve, 100)),
        ])
    }
  })()
  await eventually(() => (gateway.gateway.metrics().refused.slowReader ?? 0) > 0)
  client.socket.destroy()
  await sending
})
