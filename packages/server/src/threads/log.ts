import { parentPort, workerData } from 'node:worker_threads'
import { isDroverError } from '@drover/protocol'
import type { LogThreadMessage } from '../queue/embedded.ts'
import { LogService, type LogServiceOptions } from '../queue/embedded-service.ts'
import { crossed } from '../queue/embedded-wire.ts'
import { serve } from './rpc.ts'

/** The log thread: the only one that writes the log. Started by `openEmbeddedQueue`. */
const port = parentPort!

function start(): LogService | undefined {
  try {
    return new LogService(workerData as LogServiceOptions)
  } catch (error) {
    if (!isDroverError(error)) throw error
    port.postMessage({ refused: crossed(error) })
    port.close()
  }
}

const service = start()
if (service) {
  port.on('message', (message: LogThreadMessage) => {
    if ('producer' in message) service.addProducer(message.producer)
    else if ('consumers' in message) service.addConsumers(message.consumers)
  })
  serve(port, {
    status: () => service.status,
    holdRetention: () => service.holdRetention(),
    releaseRetention: () => service.releaseRetention(),
    close: () => {
      service.close()
      // The answer still goes out; then nothing keeps the thread.
      setImmediate(() => port.close())
    },
  })
  port.postMessage({ ready: true })
}
