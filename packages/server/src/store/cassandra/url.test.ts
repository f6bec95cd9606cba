import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { parseCassandraUrl } from './url.ts'

test('a URL names hosts, a keyspace and how to use them', () => {
  assert.deepEqual(
    parseCassandraUrl(
      'cassandra://me:p%40ss@one:9043,two/Drover?datacenter=eu&consistency=quorum&writeConsistency=all&replication=2&bucketHours=24&ca=/ca.pem',
    ),
    {
      contactPoints: ['one:9043', 'two:9042'],
      credentials: { username: 'me', password: 'p@ss' },
      keyspace: 'drover',
      datacenter: 'eu',
      readConsistency: 'quorum',
      writeConsistency: 'all',
      replication: 2,
      bucketHours: 24,
      tls: true,
      ca: '/ca.pem',
    },
  )
  const { contactPoints, datacenter, readConsistency, replication, bucketHours, tls } =
    parseCassandraUrl('cassandra://host/drover')
  assert.deepEqual(
    [contactPoints, datacenter, readConsistency, replication, bucketHours, tls],
    [['host:9042'], 'datacenter1', 'localQuorum', undefined, 168, false],
  )
})

test('a URL that cannot be meant is refused without its password', () => {
  const wrong = [
    'cassandra://user:hunter2@host',
    'cassandra://user:hunter2@host/',
    'cassandra://user:hunter2@host/key-space',
    'cassandra://user:hunter2@host/drover?consistancy=one',
    'cassandra://user:hunter2@host/drover?consistency=most',
    'cassandra://user:hunter2@host/drover?replication=0',
    'cassandra://user:hunter2@host/drover?bucketHours=1.5',
    'postgres://user:hunter2@host/drover',
  ]
  for (const url of wrong)
    assert.throws(
      () => parseCassandraUrl(url),
      (error) => isDroverError(error, 'badConfiguration') && !error.message.includes('hunter2'),
      url,
    )
})
