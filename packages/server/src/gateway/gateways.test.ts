import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { isDroverError } from '@drover/protocol'
import { eventually } from '../../../../tests/support/wait.ts'
import type { SealedBatch } from '../queue/batch.ts'
import { crossed, type ProducerMessage } from '../queue/embedded-wire.ts'
import { createMemoryQueue, type MemoryQueue } from '../queue/memory.ts'
import { createDirectory } from './directory.ts'
import { type Gateways, type GatewaysOptions, startGateways } from './gateways.ts'
import {
  connectPacket,
  publishPacket,
  RawClient,
  readerOf,
  TestAuthenticator,
  testDevice,
} from './test-kit.ts'

const anyPort = { host: '127.0.0.1', port: 0 }

/** The memory queue at the other end of a producer's port. */
function producerPort(queue: MemoryQueue) {
  const { port1, port2 } = new MessageChannel()
  port2.on('message', (batch: SealedBatch) => {
    queue.append(batch).then(
      ({ firstPosition }) =>
        port2.postMessage({
          firstPositions: [firstPosition],
          refused: 0,
          error: undefined,
        } satisfies ProducerMessage),
      (error) =>
        port2.postMessage({
          firstPositions: [],
          refused: 1,
          error: crossed(error),
        } satisfies ProducerMessage),
    )
  })
  port2.unref()
  return port1
}

async function start(t: TestContext, options: Partial<GatewaysOptions> = {}) {
  const queue = createMemoryQueue()
  const authenticator = new TestAuthenticator()
  const directory = createDirectory({ authenticator })
  const gateways = await startGateways({
    threads: 2,
    mqtt: anyPort,
    directory,
    queueAccess: () => ({ kind: 'embedded', port: producerPort(queue), directory: '' }),
    clock: new SharedArrayBuffer(8),
    notice: () => {},
    onFailure: (error) => assert.fail(error),
    ...options,
  })
  t.after(() => gateways.close(1_000))
  return { queue, directory, authenticator, gateways, records: readerOf(queue), options }
}

async function connectClient(
  t: TestContext,
  gateways: Gateways,
  clientId: string,
  device = testDevice(1),
  clean = true,
) {
  const client = await RawClient.connect(gateways.mqtt!.port, t)
  client.send(
    connectPacket({ clientId, clean, properties: { sessionExpiryInterval: clean ? 0 : 60 } }, device),
  )
  return { client, connack: await client.next('connack') }
}

test('threads share one port, and their records meet in one queue', async (t) => {
  const { gateways, records } = await start(t)
  for (let uid = 1; uid <= 16; uid++) {
    const { client } = await connectClient(t, gateways, 'c', testDevice(uid))
    client.send(publishPacket({ id: uid }))
    assert.equal((await client.next('puback')).messageId, uid)
  }
  assert.deepEqual(
    (await records()).map(({ deviceUid }) => deviceUid),
    Array.from({ length: 16 }, (_, i) => i + 1),
  )
  const metrics = await gateways.metrics()
  assert.equal(metrics.connections, 16)
  assert.equal(metrics.messagesQos1, 16)
  assert.equal(metrics.acknowledged, 16)
})

test('a port that is taken is refused by name, also when its owner would share it', async (t) => {
  const { gateways, options: _, ...parts } = await start(t)
  await assert.rejects(
    start(t, { mqtt: gateways.mqtt, directory: parts.directory }),
    (error) =>
      isDroverError(error, 'addressInUse') &&
      /--mqtt/.test(error.message) &&
      /EADDRINUSE/.test(error.message),
  )
})

test('the same client id takes over, whichever thread has it [MQTT-3.1.4-3]', async (t) => {
  const { gateways, directory, records } = await start(t)
  let { client: last } = await connectClient(t, gateways, 'same', testDevice(1), false)
  // The kernel spreads connections over the threads: among these, both kinds of take-over happen.
  for (let round = 0; round < 12; round++) {
    last.send(publishPacket({ qos: 2, id: round + 1, payload: `${round}` }))
    const { client, connack } = await connectClient(t, gateways, 'same', testDevice(1), false)
    assert.equal(connack.sessionPresent, true)
    const before = last
    if (before.received[0]?.cmd === 'pubrec') await before.next('pubrec')
    assert.equal((await before.next('disconnect')).reasonCode, 0x8e)
    await before.closed
    assert.equal(directory.connection(1).sessions, 1)
    last = client
  }
  last.send(publishPacket({ qos: 0, payload: 'end' }))
  // What was in flight when it was taken over came before everything that followed.
  const texts = await eventually(async () => {
    const got = (await records()).map(({ text }) => text)
    return got.at(-1) === 'end' && got
  })
  assert.deepEqual(
    texts.slice(0, -1).map(Number),
    [...texts.slice(0, -1).map(Number)].sort((a, b) => a - b),
  )
})

test('a revoked token and a deleted device lose their connections at once', async (t) => {
  const { gateways, directory, authenticator } = await start(t)
  const { client: one } = await connectClient(t, gateways, 'a')
  const { client: other } = await connectClient(t, gateways, 'b', testDevice(2))
  const startedAt = performance.now()
  authenticator.revoked.add(testDevice(1).keyId)
  await directory.closeToken(testDevice(1).keyId)
  assert.equal((await one.next('disconnect')).reasonCode, 0x87)
  await one.closed
  assert.ok(performance.now() - startedAt < 2_000)
  assert.deepEqual(
    { ...directory.connection(1), since: null, lastSeen: null },
    { online: false, since: null, lastSeen: null, reason: 'tokenRevoked', sessions: 0 },
  )
  assert.equal(other.socket.destroyed, false)
  await directory.closeDevice(2, 'deviceDeleted')
  assert.equal((await other.next('disconnect')).reasonCode, 0x98)
  await other.closed
})

test('closing acknowledges what is on its way, then says goodbye', async (t) => {
  const { gateways, records } = await start(t)
  const { client } = await connectClient(t, gateways, 'a')
  client.send(publishPacket({ id: 5 }))
  await client.next('puback')
  const startedAt = performance.now()
  await gateways.close(5_000)
  assert.ok(performance.now() - startedAt < 3_000)
  assert.equal((await client.next('disconnect')).reasonCode, 0x8b)
  assert.equal((await records()).length, 1)
})
