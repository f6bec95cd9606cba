import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generate } from 'mqtt-packet'
import { eventually } from '../../../../../tests/support/wait.ts'
import { channels, recordFlags } from '../../queue/batch.ts'
import {
  connectPacket,
  holdingQueue,
  publishPacket,
  type RawClient,
  startTestGateway,
  type TestGateway,
} from '../test-kit.ts'

const { deduplicate, resetSession } = recordFlags
const pubrel = (messageId: number, version: 4 | 5 = 5) =>
  generate({ cmd: 'pubrel', messageId }, { protocolVersion: version })

async function open(gateway: TestGateway, clean: boolean, version: 4 | 5 = 5) {
  const client = await gateway.wire(version)
  client.send(
    connectPacket({
      clean,
      protocolVersion: version,
      properties: version === 5 ? { sessionExpiryInterval: 60 } : undefined,
    }),
  )
  const { sessionPresent } = await client.next('connack')
  return { client, sessionPresent }
}

async function leave(gateway: TestGateway, client: RawClient): Promise<void> {
  client.socket.destroy()
  await eventually(() => !gateway.directory.connection(1).online)
}

for (const version of [4, 5] as const)
  test(`a message of MQTT ${version} is appended, then released, each before its answer`, async (t) => {
    const gateway = await startTestGateway(t)
    const { client } = await open(gateway, true, version)
    client.send(publishPacket({ qos: 2, id: 5, version }))
    assert.equal((await client.next('pubrec')).messageId, 5)
    const [message] = await gateway.records()
    assert.deepEqual([message!.key, message!.flags], ['m:client:5', deduplicate | resetSession])
    client.send(pubrel(5, version))
    assert.equal((await client.next('pubcomp')).messageId, 5)
    const [release] = await gateway.records()
    assert.deepEqual([release!.channel, release!.key], [channels.release, 'm:client:5'])
  })

test('only the first message of a new session clears what an older one left', async (t) => {
  const gateway = await startTestGateway(t)
  const { client } = await open(gateway, true)
  for (const id of [1, 2]) client.send(publishPacket({ qos: 2, id }))
  await client.next('pubrec')
  await client.next('pubrec')
  await leave(gateway, client)
  const { client: resumed, sessionPresent } = await open(gateway, false)
  assert.equal(sessionPresent, true)
  resumed.send(publishPacket({ qos: 2, id: 1, dup: true }))
  await resumed.next('pubrec')
  await leave(gateway, resumed)
  const { client: anew } = await open(gateway, true)
  anew.send(publishPacket({ qos: 2, id: 1 }))
  await anew.next('pubrec')
  assert.deepEqual(
    (await gateway.records()).map(({ flags }) => (flags & resetSession) !== 0),
    [true, false, false, true],
  )
})

test('a new session that sent nothing at QoS 2 still clears, when it goes on', async (t) => {
  const gateway = await startTestGateway(t)
  const { client } = await open(gateway, true)
  client.send(publishPacket({ qos: 1 }))
  await client.next('puback')
  await leave(gateway, client)
  const { client: resumed, sessionPresent } = await open(gateway, false)
  assert.equal(sessionPresent, true)
  resumed.send(publishPacket({ qos: 2, id: 1 }))
  await resumed.next('pubrec')
  assert.equal((await gateway.records()).at(-1)!.flags, deduplicate | resetSession)
})

test('a session that is restored at the start goes on and clears nothing', async (t) => {
  const gateway = await startTestGateway(t, { restored: [{ deviceUid: 1, clientId: 'client' }] })
  const { client, sessionPresent } = await open(gateway, false)
  assert.equal(sessionPresent, true)
  client.send(pubrel(9))
  assert.equal((await client.next('pubcomp')).reasonCode, 0)
  client.send(publishPacket({ qos: 2, id: 10, dup: true }))
  await client.next('pubrec')
  assert.deepEqual(
    (await gateway.records()).map(({ key, flags }) => [key, flags]),
    [
      ['m:client:9', 0],
      ['m:client:10', deduplicate],
    ],
  )
})

test('PUBREL for what a new session never sent is answered at once, and not appended', async (t) => {
  const gateway = await startTestGateway(t)
  const { client } = await open(gateway, true)
  client.send(pubrel(3))
  assert.equal((await client.next('pubcomp')).reasonCode, 0x92)
  const { client: old } = await open(gateway, true, 4)
  old.send(pubrel(3, 4))
  assert.equal((await old.next('pubcomp')).messageId, 3)
  assert.deepEqual(await gateway.records(), [])
})

test('a packet id that a QoS 2 message has is not free for a QoS 1 message', async (t) => {
  const gateway = await startTestGateway(t)
  const { client } = await open(gateway, true)
  client.send(
    publishPacket({ qos: 2, id: 1 }),
    publishPacket({ qos: 1, id: 1 }),
    pubrel(1),
    publishPacket({ qos: 1, id: 1 }),
  )
  await client.next('pubrec')
  assert.equal((await client.next('puback')).reasonCode, 0x91)
  await client.next('pubcomp')
  assert.equal((await client.next('puback')).reasonCode, 0)
})

test('whoever takes over waits until what the older connection sent is durable', async (t) => {
  const { wrap, release } = holdingQueue()
  const gateway = await startTestGateway(t, { wrap })
  const { client: older } = await open(gateway, true)
  older.send(publishPacket({ qos: 2, id: 1 }))
  await eventually(() => gateway.gateway.metrics().messagesQos2 === 1)
  const newer = await gateway.wire()
  newer.send(connectPacket({ clean: false }), pubrel(1))
  assert.equal((await older.next('disconnect')).reasonCode, 0x8e)
  await older.closed
  // All that could answer has had its turn; the queue has not.
  await new Promise(setImmediate)
  assert.deepEqual(newer.received, [])
  release()
  assert.equal((await newer.next('connack')).sessionPresent, true)
  assert.equal((await newer.next('pubcomp')).reasonCode, 0)
  assert.deepEqual(
    (await gateway.records()).map(({ channel }) => channel),
    [channels.telemetry, channels.release],
  )
})
