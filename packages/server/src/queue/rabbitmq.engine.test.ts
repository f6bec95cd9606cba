import { after } from 'node:test'
import { startRabbitmq } from '../../../../tests/support/services/rabbitmq.ts'
import { deliveredQueueContract } from './queue.delivered.contract.ts'
import { openRabbitmqQueue } from './rabbitmq.ts'

const service = await startRabbitmq()
after(() => service[Symbol.asyncDispose]())

let queues = 0

deliveredQueueContract('rabbitmq', () => {
  const url = `${service.url}?name=q${queues++}&partitions=2`
  return {
    open: ({ bytesMax } = {}) => openRabbitmqQueue({ url, bytesMax, confirmTimeoutMs: 1_000 }),
    fail: () => service.pause(),
    recover: () => service.resume(),
  }
})
