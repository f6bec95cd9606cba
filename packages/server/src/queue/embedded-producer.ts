import type { MessagePort } from 'node:worker_threads'
import type { SealedBatch } from './batch.ts'
import { type ProducerMessage, stopped, uncrossed } from './embedded-wire.ts'
import type { Appended, Queue } from './queue.ts'

interface Unanswered {
  resolve(appended: Appended): void
  reject(error: Error): void
}

/** Appends to the embedded queue from the thread that holds `port` (of `EmbeddedQueue.producerPort`). */
export function connectProducer(port: MessagePort): Pick<Queue, 'append'> {
  const unanswered: Unanswered[] = []
  let ending = false
  let closed = false

  port.on('message', (message: ProducerMessage) => {
    if ('ending' in message) {
      ending = true
      return
    }
    for (const firstPosition of message.firstPositions)
      unanswered.shift()!.resolve({ partition: 0, firstPosition })
    for (let each = 0; each < message.refused; each++) unanswered.shift()!.reject(uncrossed(message.error!))
  })
  port.on('close', () => {
    closed = true
    for (const each of unanswered.splice(0)) each.reject(stopped(ending))
  })

  return {
    append(batch: SealedBatch) {
      return new Promise<Appended>((resolve, reject) => {
        if (closed) return reject(stopped(ending))
        port.postMessage(batch, [batch.bytes.buffer])
        unanswered.push({ resolve, reject })
      })
    },
  }
}
