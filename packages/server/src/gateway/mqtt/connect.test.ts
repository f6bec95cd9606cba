import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '@drover/protocol'
import type { IConnectPacket } from 'mqtt-packet'
import { eventually } from '../../../../../tests/support/wait.ts'
import { connectPacket, publishPacket, startTestGateway, testDevice } from '../test-kit.ts'

const device = testDevice(1)
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

async function connackTo(
  gateway: Awaited<ReturnType<typeof startTestGateway>>,
  packet: Partial<IConnectPacket>,
) {
  const wire = await gateway.wire(packet.protocolVersion === 4 ? 4 : 5)
  wire.send(connectPacket(packet))
  return wire.next('connack')
}

test('CONNACK of 5.0 states what this server does not have', async (t) => {
  const gateway = await startTestGateway(t)
  const { reasonCode, sessionPresent, properties } = await connackTo(gateway, {})
  assert.equal(reasonCode, 0)
  assert.equal(sessionPresent, false)
  assert.deepEqual(
    { ...properties },
    {
      receiveMaximum: limits.inFlightPerConnectionMax,
      retainAvailable: false,
      maximumPacketSize: limits.mqttPacketBytesMax,
      topicAliasMaximum: limits.topicAliasMax,
      wildcardSubscriptionAvailable: false,
      subscriptionIdentifiersAvailable: false,
      sharedSubscriptionAvailable: false,
    },
  )
})

test('the token is the password beside the device id, the username alone, or (5.0) the password alone', async (t) => {
  const gateway = await startTestGateway(t)
  const ways: Partial<IConnectPacket>[] = [
    { username: device.deviceId, password: Buffer.from(device.token) },
    { username: device.token, password: undefined },
    { username: device.token, password: Buffer.from('') },
  ]
  for (const way of ways) assert.equal((await connackTo(gateway, way)).reasonCode, 0)
  assert.equal((await connackTo(gateway, { ...ways[1], protocolVersion: 4 })).returnCode, 0)
  const wire = await gateway.wire()
  wire.send(passwordOnly(device.token))
  assert.equal((await wire.next('connack')).reasonCode, 0)
})

/** mqtt-packet asks for a username, as 3.1.1 did. */
function passwordOnly(password: string): Buffer {
  const head = hex('0004 4d515454 05 42 003c 00 0001 63 0000')
  head.writeUInt16BE(password.length, head.length - 2)
  return Buffer.concat([Buffer.from([0x10, head.length + password.length]), head, Buffer.from(password)])
}

const refused: [name: string, packet: Partial<IConnectPacket>, reasonCode: number, returnCode: number][] = [
  ['no credentials', { username: undefined, password: undefined }, 0x86, 5],
  ['a wrong token', { password: Buffer.from('wrong') }, 0x86, 4],
  ['the token of another device', { username: 'device-2' }, 0x86, 4],
  ['a client id over the limit', { clientId: 'x'.repeat(limits.clientIdBytesMax + 1) }, 0x85, 2],
  ['a will that would be telemetry', { will: { topic: 'me/telemetry', payload: 'x' } }, 0x83, 5],
]
for (const [name, packet, reasonCode, returnCode] of refused)
  test(`refuses ${name}, in the words of both versions`, async (t) => {
    const gateway = await startTestGateway(t)
    const five = await connackTo(gateway, packet)
    assert.equal(five.reasonCode, reasonCode)
    assert.notEqual(five.properties?.reasonString, undefined)
    assert.equal((await connackTo(gateway, { ...packet, protocolVersion: 4 })).returnCode, returnCode)
    assert.equal(gateway.directory.connection(1).online, false)
    assert.ok(gateway.notices.length > 0)
  })

test('refuses what only 5.0 can ask for', async (t) => {
  const gateway = await startTestGateway(t)
  const authenticationMethod = await connackTo(gateway, { properties: { authenticationMethod: 'x' } })
  assert.equal(authenticationMethod.reasonCode, 0x8c)
  const retainedWill = await connackTo(gateway, { will: { topic: 'status', payload: 'x', retain: true } })
  assert.equal(retainedWill.reasonCode, 0x9a)
})

test('a will that nobody could see is taken, also retained in 3.1.1', async (t) => {
  const gateway = await startTestGateway(t)
  const will = { topic: 'status', payload: 'gone', qos: 1 as const }
  assert.equal((await connackTo(gateway, { will })).reasonCode, 0)
  const old = await connackTo(gateway, { will: { ...will, retain: true }, protocolVersion: 4 })
  assert.equal(old.returnCode, 0)
})

const malformed: [name: string, bytes: Buffer, expected: { version: 4 | 5; code: number } | undefined][] = [
  ['another protocol', hex('10 0e 0004 48545450 04 02 003c 0000 0000'), undefined],
  ['MQTT 3.1', hex('10 0e 0006 4d5149736470 03 02 003c 0000'), { version: 4, code: 1 }],
  ['MQTT version 6 [MQTT-3.1.2-2]', hex('10 0c 0004 4d515454 06 02 003c 0000'), { version: 4, code: 1 }],
  [
    'the reserved flag [MQTT-3.1.2-3]',
    hex('10 0d 0004 4d515454 05 03 003c 00 0000'),
    { version: 5, code: 0x81 },
  ],
  [
    'a will QoS of 3 [MQTT-3.1.2-12]',
    hex('10 0d 0004 4d515454 05 1e 003c 00 0000'),
    { version: 5, code: 0x81 },
  ],
  [
    'will flags without a will [MQTT-3.1.2-11]',
    hex('10 0d 0004 4d515454 05 0a 003c 00 0000'),
    { version: 5, code: 0x81 },
  ],
  ['a receive maximum of 0', hex('10 10 0004 4d515454 05 02 003c 03210000 0000'), { version: 5, code: 0x82 }],
  [
    'bytes behind the last field',
    hex('10 0f 0004 4d515454 05 02 003c 00 0000 ffff'),
    { version: 5, code: 0x81 },
  ],
  ['a client id that is cut', hex('10 0e 0004 4d515454 05 02 003c 00 0009 61'), { version: 5, code: 0x81 }],
  [
    '3.1.1 with a password and no username [MQTT-3.1.2-22]',
    hex('10 0e 0004 4d515454 04 42 003c 0000 0000'),
    undefined,
  ],
  [
    '3.1.1 without client id and clean session [MQTT-3.1.3-8]',
    hex('10 0c 0004 4d515454 04 00 003c 0000'),
    { version: 4, code: 2 },
  ],
]
for (const [name, bytes, expected] of malformed)
  test(`closes for a CONNECT with ${name}`, async (t) => {
    const gateway = await startTestGateway(t)
    const wire = await gateway.wire(expected?.version ?? 5)
    wire.send(bytes)
    if (expected) {
      const { reasonCode, returnCode } = await wire.next('connack')
      assert.equal(reasonCode ?? returnCode, expected.code)
    }
    await wire.closed
    assert.deepEqual(wire.received, [])
  })

test('without a client id the server chooses one, and says so in 5.0 [MQTT-3.2.2-16]', async (t) => {
  const gateway = await startTestGateway(t)
  const first = await connackTo(gateway, { clientId: '' })
  const second = await connackTo(gateway, { clientId: '' })
  assert.match(first.properties!.assignedClientIdentifier!, /^drover-/)
  assert.notEqual(first.properties!.assignedClientIdentifier, second.properties!.assignedClientIdentifier)
  assert.equal((await connackTo(gateway, { clientId: '', protocolVersion: 4 })).returnCode, 0)
  assert.equal(gateway.directory.connection(1).sessions, 3)
})

test('a keep alive of none, or too long a one, is replaced in 5.0 [MQTT-3.2.2-21]', async (t) => {
  const gateway = await startTestGateway(t)
  const keepAliveOf = async (keepalive: number) =>
    (await connackTo(gateway, { keepalive })).properties?.serverKeepAlive
  assert.equal(await keepAliveOf(0), limits.keepAliveSecondsMax)
  assert.equal(await keepAliveOf(65_535), limits.keepAliveSecondsMax)
  assert.equal(await keepAliveOf(60), undefined)
})

test('sessions go on, begin anew or expire as the client asks', async (t) => {
  const gateway = await startTestGateway(t)
  const visit = async (clean: boolean, sessionExpiryInterval: number) => {
    const client = await gateway.wire()
    client.send(connectPacket({ clean, properties: { sessionExpiryInterval } }))
    const { sessionPresent } = await client.next('connack')
    client.send(Buffer.from('e000', 'hex'))
    await client.closed
    await eventually(() => !gateway.directory.connection(1).online)
    return sessionPresent
  }
  assert.equal(await visit(false, 60), false)
  assert.equal(await visit(false, 60), true)
  assert.equal(await visit(true, 60), false)
  assert.equal(await visit(false, 0), true)
  assert.equal(await visit(false, 60), false)
})

test('a session that lasts longer than the limit is told so', async (t) => {
  const gateway = await startTestGateway(t)
  const { properties } = await connackTo(gateway, { properties: { sessionExpiryInterval: 0xffffffff } })
  assert.equal(properties!.sessionExpiryInterval, limits.sessionExpirySecondsMax)
})

test('a device has so many sessions and no more; the same client id needs no new one', async (t) => {
  const gateway = await startTestGateway(t)
  const clients = []
  for (let n = 0; n < limits.connectionsPerDevice; n++)
    clients.push(await gateway.client({ clientId: `c${n}` }))
  const { reasonCode } = await connackTo(gateway, { clientId: 'one more' })
  assert.equal(reasonCode, 0x97)
  assert.equal((await connackTo(gateway, { clientId: 'one more', protocolVersion: 4 })).returnCode, 3)
  assert.equal((await connackTo(gateway, { clientId: 'c0' })).reasonCode, 0)
  assert.equal((await clients[0]!.next('disconnect')).reasonCode, 0x8e)
  clients[1]!.socket.destroy()
  await eventually(() => gateway.directory.connection(1).sessions < limits.connectionsPerDevice)
  assert.equal((await connackTo(gateway, { clientId: 'one more' })).reasonCode, 0)
})

test('a client that takes small packets only gets none that are larger [MQTT-3.1.2-24]', async (t) => {
  const gateway = await startTestGateway(t)
  const client = await gateway.wire()
  client.send(connectPacket({ properties: { maximumPacketSize: 60 } }))
  await client.next('connack')
  client.send(publishPacket({ qos: 0, topic: 'devices/device-2/telemetry' }))
  const { reasonCode, properties, length } = await client.next('disconnect')
  assert.equal(reasonCode, 0x87)
  assert.ok(length! <= 58 || properties === undefined)
})

test('a client that would not even take CONNACK is closed', async (t) => {
  const gateway = await startTestGateway(t)
  const client = await gateway.wire()
  client.send(connectPacket({ properties: { maximumPacketSize: 10 } }))
  await client.closed
  assert.deepEqual(client.received, [])
})
