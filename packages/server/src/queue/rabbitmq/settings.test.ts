import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { rabbitmqSettings } from './settings.ts'

test('reads hosts, user, virtual host and parameters from the URL', () => {
  const { hosts, username, password, vhost, tls, name, partitions, prefetch } = rabbitmqSettings({
    url: 'amqps://app:p%40ss@one:5671,two/my%2Fhost?partitions=3&name=other',
  })
  assert.deepEqual(
    { hosts, username, password, vhost, tls, name, partitions, prefetch },
    {
      hosts: ['one:5671', 'two'],
      username: 'app',
      password: 'p@ss',
      vhost: 'my/host',
      tls: {},
      name: 'other',
      partitions: 3,
      prefetch: 128,
    },
  )
  assert.equal(rabbitmqSettings({ url: 'amqp://host' }).vhost, '/')
})

test('refuses what it does not understand, without showing the password', () => {
  for (const url of ['amqp://', 'http://host', 'amqp://a:secret@host?x=1', 'amqp://a:secret@host?prefetch=0'])
    assert.throws(
      () => rabbitmqSettings({ url }),
      (error) =>
        isDroverError(error) && error.code === 'badConfiguration' && !String(error).includes('secret'),
    )
})
