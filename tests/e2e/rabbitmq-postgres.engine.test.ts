import { startPostgres } from '../support/services/postgres.ts'
import { startRabbitmq } from '../support/services/rabbitmq.ts'
import { exactlyOnceContract } from './exactly-once.contract.ts'

exactlyOnceContract('RabbitMQ and PostgreSQL, which keeps the registry too', async () => {
  const [rabbitmq, postgres] = await Promise.all([startRabbitmq(), startPostgres()])
  return {
    services: [rabbitmq, postgres],
    flags: ['--queue', rabbitmq.url, '--store', postgres.url, '--registry', postgres.url],
  }
})
