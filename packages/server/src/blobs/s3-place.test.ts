import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { s3Place } from './s3-place.ts'

test('an address of S3 names bucket, prefix and server', () => {
  assert.deepEqual(s3Place('s3://bucket'), {
    bucket: 'bucket',
    prefix: '',
    endpoint: undefined,
    region: undefined,
    pathStyle: false,
  })
  assert.deepEqual(s3Place('s3://b/a/b/?endpoint=http%3A%2F%2Flocalhost%3A9000&region=eu&pathStyle=true'), {
    bucket: 'b',
    prefix: 'a/b/',
    endpoint: 'http://localhost:9000',
    region: 'eu',
    pathStyle: true,
  })
  assert.equal(s3Place('s3://b?endpoint=https://s3.example.com').region, 'us-east-1')
})

test('an address of S3 that means nothing is refused, and a secret in it not repeated', () => {
  const wrong = [
    'bucket',
    'https://bucket',
    's3:///prefix',
    's3://key:secret@bucket',
    's3://bucket?reigon=eu',
    's3://bucket?endpoint=localhost:9000',
    's3://bucket?pathStyle=yes',
  ]
  for (const address of wrong)
    assert.throws(
      () => s3Place(address),
      (e: Error) => isDroverError(e, 'badConfiguration') && !e.message.includes('secret@'),
      address,
    )
})
