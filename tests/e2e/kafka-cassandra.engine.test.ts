import { startCassandra } from '../support/services/cassandra.ts'
import { startKafka } from '../support/services/kafka.ts'
import { exactlyOnceContract } from './exactly-once.contract.ts'

exactlyOnceContract('Kafka and Cassandra', async () => {
  const [kafka, cassandra] = await Promise.all([startKafka(), startCassandra()])
  return {
    services: [kafka, cassandra],
    flags: [
      '--queue',
      `${kafka.url}?partitions=4`,
      '--store',
      `${cassandra.url}/drover?datacenter=datacenter1&replication=1`,
    ],
  }
})
