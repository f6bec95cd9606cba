import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '@drover/protocol'
import { eventually } from '../../../../../tests/support/wait.ts'
import { connectPacket, holdingQueue, publishPacket, startTestGateway } from '../test-kit.ts'

/** A clock that the test moves. */
function clock() {
  let ms = 1_000
  return {
    nowMs: () => ms,
    advance(by: number) {
      ms += by
    },
  }
}

test('a client is let go one and a half keep alives after its last sign of life [MQTT-3.1.2-22]', async (t) => {
  const { nowMs, advance } = clock()
  const gateway = await startTestGateway(t, { nowMs })
  const client = await gateway.client({ keepalive: 10 })
  advance(14_000)
  gateway.gateway.sweep()
  client.send(Buffer.from('c000', 'hex'))
  await client.next('pingresp')
  advance(15_000)
  gateway.gateway.sweep()
  assert.deepEqual(client.received, [])
  advance(1)
  gateway.gateway.sweep()
  assert.equal((await client.next('disconnect')).reasonCode, 0x8d)
  await client.closed
  assert.equal(gateway.directory.connection(1).reason, 'keepAliveTimeout')
})

test('a 3.1.1 client without a keep alive stays', async (t) => {
  const { nowMs, advance } = clock()
  const gateway = await startTestGateway(t, { nowMs })
  const client = await gateway.client({ keepalive: 0, protocolVersion: 4 })
  advance(1e9)
  gateway.gateway.sweep()
  client.send(publishPacket({ version: 4 }))
  await client.next('puback')
})

test('who is not read is not silent', async (t) => {
  const { nowMs, advance } = clock()
  const { wrap, release } = holdingQueue()
  const gateway = await startTestGateway(t, { nowMs, wrap, pendingBytesMax: 1 })
  const client = await gateway.client({ keepalive: 10 })
  client.send(publishPacket({ id: 1 }))
  await eventually(() => gateway.gateway.metrics().congested === 1)
  client.send(publishPacket({ id: 2 }))
  await eventually(() => gateway.gateway.metrics().pausedConnections === 1)
  advance(1e6)
  gateway.gateway.sweep()
  release()
  assert.equal((await client.next('puback')).messageId, 1)
  assert.equal((await client.next('puback')).messageId, 2)
  gateway.gateway.sweep()
  assert.equal(gateway.directory.connection(1).online, true)
})

test('a wire that does not become a session is closed after a while', async (t) => {
  const { nowMs, advance } = clock()
  const gateway = await startTestGateway(t, { nowMs })
  const silent = await gateway.wire()
  const slow = await gateway.wire()
  slow.send(connectPacket().subarray(0, 5))
  await eventually(() => gateway.gateway.metrics().wires === 2)
  advance(limits.connectTimeoutSeconds * 1_000 + 1)
  gateway.gateway.sweep()
  await Promise.all([silent.closed, slow.closed])
  await eventually(() => gateway.gateway.metrics().wires === 0)
})
