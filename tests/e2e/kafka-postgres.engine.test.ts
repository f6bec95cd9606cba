import { startKafka } from '../support/services/kafka.ts'
import { startPostgres } from '../support/services/postgres.ts'
import { exactlyOnceContract } from './exactly-once.contract.ts'

exactlyOnceContract('Kafka and PostgreSQL', async () => {
  const [kafka, postgres] = await Promise.all([startKafka(), startPostgres()])
  return {
    services: [kafka, postgres],
    flags: ['--queue', `${kafka.url}?partitions=4`, '--store', postgres.url],
  }
})
