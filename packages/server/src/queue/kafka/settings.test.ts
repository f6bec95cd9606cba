import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { readSettings } from './settings.ts'

test('a URL of Kafka names brokers, topic, user and settings', () => {
  const plain = readSettings('kafka://a.example:9093,b.example')
  assert.deepEqual(plain.brokers, ['a.example:9093', 'b.example:9092'])
  assert.equal(plain.topic, 'drover.messages')
  assert.deepEqual([plain.partitions, plain.replication, plain.retentionHours], [16, undefined, 168])
  assert.deepEqual([plain.sasl, plain.tls], [undefined, undefined])
  const all = readSettings('kafka://me:p%40ss@a:1/own?ssl=true&sasl=plain&partitions=3&replication=2')
  assert.deepEqual(all.sasl, { mechanism: 'PLAIN', username: 'me', password: 'p@ss' })
  assert.deepEqual([all.topic, all.partitions, all.replication, all.tls], ['own', 3, 2, {}])
})

test('a password that is given beside the URL is taken as it is, and SCRAM is what a user means', () => {
  const { sasl } = readSettings('kafka://me@a:1', { password: '100%' })
  assert.deepEqual(sasl, { mechanism: 'SCRAM-SHA-512', username: 'me', password: '100%' })
})

test('what is wrong in a URL of Kafka is said, without the password', () => {
  const wrong = [
    'amqp://a',
    'kafka://',
    'kafka://a:99999',
    'kafka://a:1,',
    'kafka://a/no topic',
    'kafka://a?colour=red',
    'kafka://a?partitions=0',
    'kafka://a?ssl=maybe',
    'kafka://a?ssl=false&ca=/ca.pem',
    'kafka://a?ca=/not/there.pem',
    'kafka://a?sasl=plain',
    'kafka://me@a',
    'kafka://me:secret@a?sasl=md5',
    'kafka://me:100%secret@a',
  ]
  for (const url of wrong)
    assert.throws(
      () => readSettings(url),
      (error) => isDroverError(error, 'badConfiguration') && !(error as Error).message.includes('secret'),
      url,
    )
})
