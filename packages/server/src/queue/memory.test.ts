import { createMemoryQueue, type MemoryQueue } from './memory.ts'
import { queueContract } from './queue.contract.ts'

queueContract('memory', () => {
  let queue: MemoryQueue | undefined
  return {
    async open(options) {
      queue = queue ? queue.reopen() : createMemoryQueue(options)
      return queue
    },
    fail: () => queue?.fail('the test says so'),
    recover: () => queue?.recover(),
  }
})
