import assert from 'node:assert/strict'
import { test } from 'node:test'
import { publishPacket, startTestGateway } from '../test-kit.ts'

test('QoS 0, 1 and 2 are appended and answered', async (t) => {
  const gateway = await startTestGateway(t)
  const client = await gateway.client()
  client.send(publishPacket({ qos: 0 }), publishPacket({ qos: 1, id: 7 }), publishPacket({ qos: 2, id: 8 }))
  assert.equal((await client.next('puback')).messageId, 7)
  assert.equal((await client.next('pubrec')).messageId, 8)
  const records = await gateway.records()
  assert.deepEqual(
    records.map(({ key, flags }) => [key, flags]),
    [
      ['', 0],
      ['', 0],
      ['m:client:8', 3],
    ],
  )
})
