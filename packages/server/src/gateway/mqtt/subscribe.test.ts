import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generate, type ISubscription } from 'mqtt-packet'
import { publishPacket, startTestGateway } from '../test-kit.ts'

const subscribe = (version: 4 | 5, subscriptions: ISubscription[], subscriptionIdentifier?: number) =>
  generate(
    {
      cmd: 'subscribe',
      messageId: 4,
      subscriptions,
      properties: subscriptionIdentifier ? { subscriptionIdentifier } : undefined,
    },
    { protocolVersion: version },
  )

test('each filter is answered with why there is no such subscription', async (t) => {
  const gateway = await startTestGateway(t)
  const client = await gateway.client()
  client.send(
    subscribe(5, [
      { topic: 'me/commands/1', qos: 1 },
      { topic: 'me/#', qos: 0 },
      { topic: '$share/group/a', qos: 0 },
    ]),
  )
  const suback = await client.next('suback')
  assert.equal(suback.messageId, 4)
  assert.deepEqual(suback.granted, [0x87, 0xa2, 0x9e])
  client.send(subscribe(5, [{ topic: 'a', qos: 0 }], 7))
  assert.deepEqual((await client.next('suback')).granted, [0xa1])
  client.send(publishPacket())
  await client.next('puback')
})

test('3.1.1 has one code for it', async (t) => {
  const gateway = await startTestGateway(t)
  const client = await gateway.client({ protocolVersion: 4 })
  client.send(
    subscribe(4, [
      { topic: 'a', qos: 0 },
      { topic: 'b/#', qos: 2 },
    ]),
  )
  assert.deepEqual((await client.next('suback')).granted, [0x80, 0x80])
})

test('there was no subscription to end', async (t) => {
  const gateway = await startTestGateway(t)
  for (const version of [4, 5] as const) {
    const client = await gateway.client({ protocolVersion: version, clientId: `v${version}` })
    client.send(
      generate(
        { cmd: 'unsubscribe', messageId: 6, unsubscriptions: ['a', 'b'] },
        { protocolVersion: version },
      ),
    )
    const { messageId, granted } = await client.next('unsuback')
    assert.equal(messageId, 6)
    if (version === 5) assert.deepEqual(granted, [0x11, 0x11])
  }
})
