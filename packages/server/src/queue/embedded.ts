import { once } from 'node:events'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { backupLog } from '@drover/log'
import { DroverError } from '@drover/protocol'
import { connect } from '../threads/rpc.ts'
import { connectConsumer } from './embedded-consumer.ts'
import { toDroverError } from './embedded-errors.ts'
import { connectProducer } from './embedded-producer.ts'
import type { LogServiceOptions } from './embedded-service.ts'
import { type CrossedError, uncrossed } from './embedded-wire.ts'
import type { Queue, QueueStatus } from './queue.ts'

export { connectConsumer } from './embedded-consumer.ts'
export { connectProducer } from './embedded-producer.ts'

export interface EmbeddedQueueOptions extends LogServiceOptions {
  /** The log thread has failed: nothing is accepted any more, and this process should stop. */
  readonly onFailure?: (error: Error) => void
}

export interface EmbeddedQueue extends Queue {
  /** A port to be transferred to another thread, which appends by `connectProducer`. */
  producerPort(): MessagePort
  /** A port to be transferred to another thread, which consumes by `connectConsumer`. */
  consumerPort(): MessagePort
  /**
   * Copies the log into the existing folder `directory` after `copyStore` has copied what consumers have stored, and keeps in
   * between all that the copied consumers still need. Appends and consumers go on.
   */
  backup(directory: string, copyStore: () => Promise<void>): Promise<void>
}

/** From the opener to the log thread; the ports are transferred. */
export type LogThreadMessage = { readonly producer: MessagePort } | { readonly consumers: MessagePort }

type LogThreadAnswer = { readonly ready: true } | { readonly refused: CrossedError }

interface Control {
  status(): QueueStatus
  holdRetention(): void
  releaseRetention(): void
  close(): void
}

/** The queue of one process: a log in `directory`, written by a thread of its own. Rejects with `corruptData` or `queueUnavailable`. */
export async function openEmbeddedQueue(options: EmbeddedQueueOptions): Promise<EmbeddedQueue> {
  const { onFailure, ...workerData } = options
  const worker = new Worker(new URL('../threads/log.ts', import.meta.url), { workerData, name: 'log' })
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  const [answer] = (await once(worker, 'message')) as [LogThreadAnswer]
  if ('refused' in answer) {
    await exited
    throw uncrossed(answer.refused)
  }
  worker.on('error', (error: Error) => onFailure?.(error))
  return new LogThread(options.directory, worker, exited)
}

class LogThread implements EmbeddedQueue {
  readonly capabilities = { startAtPosition: true, partitions: 'one', retention: 'committed' } as const
  readonly #directory: string
  readonly #worker: Worker
  readonly #exited: Promise<void>
  readonly #control: ReturnType<typeof connect<Control>>
  readonly #producer: Pick<Queue, 'append'>
  readonly #consumers: Pick<Queue, 'consume'>
  #closing: Promise<void> | undefined

  constructor(directory: string, worker: Worker, exited: Promise<void>) {
    this.#directory = directory
    this.#worker = worker
    this.#exited = exited
    this.#control = connect<Control>(worker)
    this.#producer = connectProducer(this.producerPort())
    this.#consumers = connectConsumer(this.consumerPort(), directory)
  }

  producerPort(): MessagePort {
    const { port1, port2 } = new MessageChannel()
    this.#worker.postMessage({ producer: port2 } satisfies LogThreadMessage, [port2])
    return port1
  }

  consumerPort(): MessagePort {
    const { port1, port2 } = new MessageChannel()
    this.#worker.postMessage({ consumers: port2 } satisfies LogThreadMessage, [port2])
    return port1
  }

  async append(...args: Parameters<Queue['append']>): ReturnType<Queue['append']> {
    if (this.#closing) throw new DroverError('shuttingDown')
    return this.#producer.append(...args)
  }

  async consume(...args: Parameters<Queue['consume']>): ReturnType<Queue['consume']> {
    if (this.#closing) throw new DroverError('shuttingDown')
    return this.#consumers.consume(...args)
  }

  status(): Promise<QueueStatus> {
    return this.#control.status()
  }

  async backup(directory: string, copyStore: () => Promise<void>): Promise<void> {
    await this.#control.holdRetention()
    try {
      await copyStore()
      await backupLog(this.#directory, directory)
    } catch (error) {
      throw toDroverError(error)
    } finally {
      await this.#control.releaseRetention()
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#stop()
    return this.#closing
  }

  async #stop(): Promise<void> {
    // A thread that has failed has nothing left to close.
    await this.#control.close().catch(() => {})
    await this.#exited
  }
}
