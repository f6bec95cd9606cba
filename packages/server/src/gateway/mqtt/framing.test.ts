import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '@drover/protocol'
import { connectPacket, publishPacket, startTestGateway } from '../test-kit.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')
/** "me/telemetry" as a string of MQTT. */
const topic = '000c 6d652f74656c656d65747279'

/** What a 5.0 client may not send once it is connected, and the reason code that it gets. */
const wrong: [name: string, bytes: Buffer, reason: number][] = [
  ['packet type 0 is reserved', hex('0000'), 0x81],
  ['a remaining length of five bytes [MQTT-1.5.5-1]', hex('30 ffffffff7f'), 0x81],
  ['a packet larger than CONNACK allowed [MQTT-3.2.2-15]', hex('30 ffffff7f'), 0x95],
  ['PINGREQ with flags [MQTT-2.1.3-1]', hex('c1 00'), 0x81],
  ['PINGREQ with a body', hex('c0 01 00'), 0x81],
  ['a second CONNECT [MQTT-3.1.0-2]', connectPacket(), 0x82],
  ['CONNACK from a client', hex('20 02 0000'), 0x82],
  ['PUBACK for nothing', hex('40 02 0001'), 0x82],
  ['SUBACK from a client', hex('90 03 000100'), 0x82],
  ['AUTH without a method [MQTT-4.12.0-1]', hex('f0 00'), 0x82],
  ['PUBLISH with QoS 3 [MQTT-3.3.1-4]', hex(`36 11 ${topic} 0001 00`), 0x81],
  ['PUBLISH with DUP at QoS 0 [MQTT-3.3.1-2]', hex(`38 0f ${topic} 00`), 0x81],
  ['PUBLISH without a topic', hex('30 01 00'), 0x81],
  ['PUBLISH whose topic reaches past it', hex('30 04 00ff 6162'), 0x81],
  ['PUBLISH without a packet id', hex(`32 0f ${topic} 00`), 0x81],
  ['PUBLISH with the packet id 0 [MQTT-2.2.1-3]', hex(`32 11 ${topic} 0000 00`), 0x82],
  ['PUBLISH without properties', hex(`30 0e ${topic}`), 0x81],
  ['PUBLISH with an empty topic and no alias', hex('30 03 0000 00'), 0x82],
  ['PUBLISH with retain, which CONNACK excluded', hex(`31 0f ${topic} 00`), 0x9a],
  ['PUBLISH with a topic that is not UTF-8 [MQTT-1.5.4-1]', hex('30 05 0002 c328 00'), 0x81],
  ['PUBLISH with a surrogate in its topic [MQTT-1.5.4-1]', hex('30 06 0003 eda080 00'), 0x81],
  ['PUBLISH with U+0000 in its topic [MQTT-1.5.4-2]', hex('30 05 0002 6100 00'), 0x81],
  ['PUBLISH with an unknown property', hex(`30 11 ${topic} 02 7f00`), 0x81],
  ['PUBLISH with a property of CONNECT', hex(`30 12 ${topic} 03 210001`), 0x81],
  ['PUBLISH with a subscription identifier [MQTT-3.3.4-6]', hex(`30 11 ${topic} 02 0b01`), 0x81],
  ['PUBLISH with a property twice', hex(`30 13 ${topic} 04 0100 0101`), 0x82],
  ['PUBLISH with a payload format of 2', hex(`30 11 ${topic} 02 0102`), 0x82],
  ['PUBLISH with a property that is cut', hex(`30 11 ${topic} 02 0200`), 0x81],
  ['PUBLISH with a property length beyond it', hex(`30 0f ${topic} 09`), 0x81],
  ['PUBLISH with the topic alias 0 [MQTT-3.3.2-8]', hex(`30 12 ${topic} 03 230000`), 0x94],
  ['PUBLISH with a topic alias over the maximum [MQTT-3.3.2-9]', hex(`30 12 ${topic} 03 2300ff`), 0x94],
  ['PUBLISH with an alias that has no topic', hex('30 06 0000 03 230001'), 0x82],
  ['PUBREL with wrong flags [MQTT-3.6.1-1]', hex('60 02 0001'), 0x81],
  ['PUBREL without a packet id', hex('62 00'), 0x81],
  ['SUBSCRIBE with wrong flags [MQTT-3.8.1-1]', hex('80 07 0001 00 0001 61 00'), 0x81],
  ['SUBSCRIBE without a filter [MQTT-3.8.3-2]', hex('82 03 0001 00'), 0x82],
  ['SUBSCRIBE with the packet id 0', hex('82 07 0000 00 0001 61 00'), 0x82],
  ['SUBSCRIBE with reserved options [MQTT-3.8.3-5]', hex('82 07 0001 00 0001 61 c0'), 0x81],
  ['SUBSCRIBE with QoS 3', hex('82 07 0001 00 0001 61 03'), 0x81],
  ['SUBSCRIBE with an empty filter [MQTT-4.7.3-1]', hex('82 06 0001 00 0000 00'), 0x82],
  ['UNSUBSCRIBE with wrong flags [MQTT-3.10.1-1]', hex('a0 06 0001 00 0001 61'), 0x81],
  ['UNSUBSCRIBE without a filter [MQTT-3.10.3-2]', hex('a2 03 0001 00'), 0x82],
  ['DISCONNECT with flags', hex('e1 00'), 0x81],
  ['DISCONNECT that prolongs a session of 0 s', hex('e0 07 00 05 1100000001'), 0x82],
]

for (const [name, bytes, reason] of wrong)
  test(`ends the connection for ${name}`, async (t) => {
    const gateway = await startTestGateway(t)
    const other = await gateway.client({ clientId: 'other' })
    const client = await gateway.client()
    client.send(bytes)
    const disconnect = await client.next('disconnect')
    assert.equal(disconnect.reasonCode, reason)
    assert.notEqual(disconnect.properties?.reasonString, undefined)
    await client.closed
    other.send(publishPacket())
    await other.next('puback')
    assert.equal((await gateway.records()).length, 1)
  })

test('a 3.1.1 client is not told, only closed [MQTT-4.8.0-1]', async (t) => {
  const gateway = await startTestGateway(t)
  const client = await gateway.client({ protocolVersion: 4 })
  client.send(hex('c1 00'))
  await client.closed
  assert.deepEqual(client.received, [])
})

test('the first packet must be CONNECT [MQTT-3.1.0-1]', async (t) => {
  const gateway = await startTestGateway(t)
  for (const bytes of [
    publishPacket(),
    hex('c000'),
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.alloc(64, 0xff),
  ]) {
    const wire = await gateway.wire()
    wire.send(bytes)
    await wire.closed
    assert.deepEqual(wire.received, [])
  }
})

test('packets may be cut anywhere and packed together', async (t) => {
  const gateway = await startTestGateway(t)
  const packets = [1, 2, 3, 4].map((id) =>
    publishPacket({ id, payload: 'x'.repeat(id * 50), qos: id === 4 ? 2 : 1 }),
  )
  const stream = Buffer.concat([connectPacket(), ...packets, hex('c000')])
  for (const size of [1, 2, 3, 7, 64, stream.length]) {
    const { gateway: mqtt } = gateway
    const sent: Buffer[] = []
    const wire = {
      write: (bytes: Uint8Array) => sent.push(Buffer.from(bytes)),
      end() {},
      destroy() {},
      pause() {},
      resume() {},
      writableLength: 0,
    }
    const connection = mqtt.accept(wire, 'test')
    for (let at = 0; at < stream.length; at += size) mqtt.receive(connection, stream.subarray(at, at + size))
    const pubrec = hex('5002 0004')
    while (!Buffer.concat(sent).includes(pubrec)) await new Promise(setImmediate)
    assert.ok(Buffer.concat(sent).includes(hex('4002 0001 4002 0002 4002 0003 5002 0004')), `size ${size}`)
    assert.ok(Buffer.concat(sent).includes(hex('d000')))
    assert.deepEqual(
      (await gateway.records()).map(({ text }) => text.length),
      [50, 100, 150, 200],
    )
    mqtt.lost(connection)
  }
})

test('a client may publish before it has seen CONNACK, but not without bound', async (t) => {
  const gateway = await startTestGateway(t)
  const eager = await gateway.wire()
  eager.send(Buffer.concat([connectPacket(), publishPacket({ id: 1 }), publishPacket({ id: 2 })]))
  await eager.next('connack')
  assert.equal((await eager.next('puback')).messageId, 1)
  assert.equal((await eager.next('puback')).messageId, 2)
})

test('the largest message is taken; a larger one is refused, and what follows is not touched', async (t) => {
  const gateway = await startTestGateway(t)
  const client = await gateway.client()
  client.send(
    publishPacket({ id: 1, payload: 'x'.repeat(limits.messageBytesMax) }),
    publishPacket({ id: 2, payload: 'x'.repeat(limits.messageBytesMax + 1) }),
    publishPacket({ id: 3 }),
  )
  assert.deepEqual(
    [await client.next('puback'), await client.next('puback'), await client.next('puback')].map(
      ({ messageId, reasonCode }) => [messageId, reasonCode],
    ),
    [
      [1, 0],
      [2, 0x97],
      [3, 0],
    ],
  )
  assert.equal((await gateway.records()).length, 2)
})
