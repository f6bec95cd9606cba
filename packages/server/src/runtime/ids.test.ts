import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDeviceToken } from '@drover/protocol'
import { createBootId, createDeviceToken, randomBase62 } from './ids.ts'

test('a device token is one that the protocol reads, with 43 characters of secret', () => {
  const { token, keyId, secret } = createDeviceToken()
  assert.deepEqual(parseDeviceToken(token), { keyId, secret })
})

test('no letter of base62 is likelier than another', () => {
  const every = () => Uint8Array.from({ length: 256 }, (_, byte) => byte)
  const counts = Map.groupBy(randomBase62(248, every), (letter) => letter)
  assert.equal(counts.size, 62)
  assert.ok([...counts.values()].every((same) => same.length === 4))
})

test('two ids are not the same', () => {
  assert.notEqual(randomBase62(16), randomBase62(16))
  assert.notDeepEqual(createBootId(), createBootId())
  assert.equal(createBootId().length, 8)
})
