import { randomUUID } from 'node:crypto'
import { after } from 'node:test'
import { startKafka } from '../../../../tests/support/services/kafka.ts'
import { openKafkaQueue } from './kafka.ts'
import { queueContract } from './queue.contract.ts'

const kafka = await startKafka()
after(() => kafka[Symbol.asyncDispose]())

const declared = { startAtPosition: true, partitions: 'many', retention: 'time' } as const

queueContract(
  'kafka',
  () => {
    const topic = `contract-${randomUUID()}`
    return {
      open: () => openKafkaQueue({ url: `${kafka.url}/${topic}?partitions=1` }),
      fail: () => kafka.kill(),
      recover: () => kafka.restart(),
    }
  },
  declared,
)
