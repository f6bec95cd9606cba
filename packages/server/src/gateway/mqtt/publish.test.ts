import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '@drover/protocol'
import { generate, type IPublishPacket } from 'mqtt-packet'
import { contentTypes } from '../../queue/batch.ts'
import { holdingQueue, publishPacket, startTestGateway } from '../test-kit.ts'

const publish = (fields: Partial<IPublishPacket>) =>
  generate(
    {
      cmd: 'publish',
      qos: 1,
      messageId: 1,
      topic: 'me/telemetry',
      dup: false,
      retain: false,
      payload: '{}',
      ...fields,
    },
    { protocolVersion: 5 },
  )

test('the three telemetry topics of the device are taken', async (t) => {
  const gateway = await startTestGateway(t)
  const client = await gateway.client()
  for (const topic of [
    'me/telemetry',
    'devices/device-1/telemetry',
    'v1/devices/me/telemetry',
    'me/telemetry',
  ]) {
    client.send(publishPacket({ topic }))
    assert.equal((await client.next('puback')).reasonCode, 0)
  }
  assert.equal((await gateway.records()).length, 4)
})

const refused: [what: string, topic: string, reason: number, metric: string][] = [
  ['the topic of another device', 'devices/device-2/telemetry', 0x87, 'foreignTopic'],
  ['a topic that means nothing here', 'sensors/1', 0x90, 'unknownTopic'],
  ['a topic that only begins as a known one', 'me/telemetry/', 0x90, 'unknownTopic'],
  ['a topic with a wildcard [MQTT-3.3.2-2]', 'me/+', 0x90, 'invalidTopic'],
]
for (const [what, topic, reason, metric] of refused)
  test(`${what} is refused and nothing is stored`, async (t) => {
    const gateway = await startTestGateway(t)
    const client = await gateway.client()
    client.send(
      publishPacket({ topic, id: 1 }),
      publishPacket({ topic, id: 2, qos: 2 }),
      publishPacket({ id: 3 }),
    )
    assert.equal((await client.next('puback')).reasonCode, reason)
    assert.equal((await client.next('pubrec')).reasonCode, reason)
    assert.equal((await client.next('puback')).messageId, 3)
    assert.equal((await gateway.records()).length, 1)
    assert.equal(gateway.gateway.metrics().refused[metric], 2)
    // QoS 0 has no answer: the connection ends, with the reason.
    client.send(publishPacket({ topic, qos: 0 }))
    assert.equal((await client.next('disconnect')).reasonCode, reason)
    // Nor has 3.1.1 a word for it.
    const old = await gateway.client({ protocolVersion: 4, clientId: 'old' })
    old.send(publishPacket({ topic, version: 4 }))
    await old.closed
    assert.deepEqual(old.received, [])
    assert.ok(gateway.notices.some(({ details }) => String(details.reason).includes(metric)))
    assert.equal((await gateway.records()).length, 0)
  })

test('a topic alias stands for its topic, one by one and changed [MQTT-3.3.2-12]', async (t) => {
  const gateway = await startTestGateway(t)
  const client = await gateway.client()
  const aliased = (topic: string, topicAlias: number, messageId: number) =>
    publish({ topic, messageId, properties: { topicAlias } })
  client.send(
    aliased('me/telemetry', 1, 1),
    aliased('', 1, 2),
    aliased('sensors/1', 2, 3),
    aliased('', 2, 4),
    aliased('devices/device-1/telemetry', 2, 5),
    aliased('', 2, 6),
    aliased('', 1, 7),
  )
  const reasons: number[] = []
  for (let n = 0; n < 7; n++) reasons.push((await client.next('puback')).reasonCode ?? 0)
  assert.deepEqual(reasons, [0, 0, 0x90, 0x90, 0, 0, 0])
  assert.equal((await gateway.records()).length, 5)
})

test('the content type goes with the record; other properties are taken and have no effect', async (t) => {
  const gateway = await startTestGateway(t)
  const client = await gateway.client()
  const types = [
    'application/json; charset=utf-8',
    'application/senml+json',
    'application/senml+cbor',
    'Application/CBOR',
    'text/plain',
  ]
  const properties = {
    payloadFormatIndicator: true,
    messageExpiryInterval: 1,
    responseTopic: 'answers',
    correlationData: Buffer.from('x'),
    userProperties: { a: ['1', '2'] },
  }
  for (const [index, contentType] of types.entries())
    client.send(publish({ messageId: index + 1, properties: { ...properties, contentType } }))
  client.send(publishPacket({ id: 9 }))
  for (let n = 0; n < 6; n++) await client.next('puback')
  assert.deepEqual(
    (await gateway.records()).map(({ contentType }) => contentType),
    [
      contentTypes.json,
      contentTypes.senmlJson,
      contentTypes.senmlCbor,
      contentTypes.cbor,
      contentTypes.unknown,
      contentTypes.unknown,
    ],
  )
})

test('retain has no effect in 3.1.1, where CONNACK cannot exclude it', async (t) => {
  const gateway = await startTestGateway(t)
  const client = await gateway.client({ protocolVersion: 4 })
  const packet = publishPacket({ version: 4 })
  packet[0]! |= 1
  client.send(packet)
  assert.equal((await client.next('puback')).messageId, 1)
})

test('more in flight than CONNACK allowed ends a 5.0 connection [MQTT-3.3.4-9]', async (t) => {
  const { wrap, release } = holdingQueue()
  const gateway = await startTestGateway(t, { wrap })
  const client = await gateway.client()
  for (let id = 1; id <= limits.inFlightPerConnectionMax; id++) client.send(publishPacket({ id }))
  client.send(publishPacket({ id: 2_000 }))
  assert.equal((await client.next('disconnect')).reasonCode, 0x93)
  release()
})

test('a 3.1.1 client with more in flight is not read until some are acknowledged', async (t) => {
  const { wrap, release } = holdingQueue()
  const gateway = await startTestGateway(t, { wrap })
  const client = await gateway.client({ protocolVersion: 4 })
  const count = 3 * limits.inFlightPerConnectionMax
  for (let id = 1; id <= count; id++) client.send(publishPacket({ id, version: 4 }))
  release()
  for (let id = 1; id <= count; id++) assert.equal((await client.next('puback')).messageId, id)
  assert.equal((await gateway.records()).length, count)
})
