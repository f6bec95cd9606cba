import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { type LogReader, openLogReader } from '@drover/log'
import { DroverError } from '@drover/protocol'
import {
  type ConsumerMessage,
  type ConsumerRequest,
  type HandedBatch,
  stopped,
  uncrossed,
} from './embedded-wire.ts'
import type { ConsumeOptions, Consumer, Delivery, Queue } from './queue.ts'

/**
 * Consumes the embedded queue in the thread that holds `port` (of `EmbeddedQueue.consumerPort`); `directory` is the
 * queue's. One port serves any number of consumers.
 */
export function connectConsumer(port: MessagePort, directory: string): Pick<Queue, 'consume'> {
  return {
    async consume({ consumer, after, nextBytesMax }: ConsumeOptions) {
      const stored = await after(0)
      const { port1, port2 } = new MessageChannel()
      port.postMessage({ channel: port2 }, [port2])
      const started = new EmbeddedConsumer(port1, directory, nextBytesMax)
      await started.start({ start: consumer, stored })
      return started
    },
  }
}

/**
 * Takes what is handed on while it keeps up, and else reads the log by position. It changes sides at two messages of the
 * log thread: `parted` stands where the hand-off was cut, `joined` names the position up to which to read.
 */
class EmbeddedConsumer implements Consumer {
  readonly #port: MessagePort
  readonly #directory: string
  readonly #nextBytesMax: number
  readonly #handed: (HandedBatch | 'parted')[] = []
  readonly #committing: PromiseWithResolvers<void>[] = []
  readonly #started = Promise.withResolvers<{ identity: string; after: number }>()
  #reader: LogReader | undefined
  #identity = ''
  #after = 0
  /** While reading the log: whether to be handed on again was asked for, and from which position on it was granted. */
  #reading = true
  #joining = false
  #joinedAt: number | undefined
  #wake: (() => void) | undefined
  #ending = false
  #closed = false
  #closedHere = false

  constructor(port: MessagePort, directory: string, nextBytesMax: number) {
    this.#port = port
    this.#directory = directory
    this.#nextBytesMax = nextBytesMax
    port.on('message', (message: ConsumerMessage) => {
      this.#receive(message)
      this.#wake?.()
    })
    port.on('close', () => this.#portClosed())
  }

  async start(request: ConsumerRequest): Promise<void> {
    this.#send(request)
    const { identity, after } = await this.#started.promise
    this.#identity = identity
    this.#after = after
    this.#reader = openLogReader(this.#directory)
  }

  async next(): Promise<readonly Delivery[]> {
    for (;;) {
      if (this.#closed) {
        if (this.#ending || this.#closedHere) return []
        throw stopped(false)
      }
      const batches = this.#reading ? this.#read() : this.#takeHanded()
      if (batches.length > 0) return batches.map((batch) => this.#deliver(batch))
      if (this.#mustWait()) await this.#woken()
    }
  }

  async commit(_partition: number, position: number): Promise<void> {
    if (position > this.#after) throw new RangeError(`Position ${position} was not delivered yet`)
    if (this.#closed) throw stopped(this.#ending || this.#closedHere)
    const committing = Promise.withResolvers<void>()
    this.#committing.push(committing)
    this.#send({ commit: position })
    return committing.promise
  }

  async close(): Promise<void> {
    this.#closedHere = true
    this.#port.close()
    this.#portClosed()
  }

  #send(request: ConsumerRequest): void {
    this.#port.postMessage(request)
  }

  #receive(message: ConsumerMessage): void {
    if ('batches' in message) for (const batch of message.batches) this.#handed.push(batch)
    else if ('committed' in message) this.#committing.shift()!.resolve()
    else if ('parted' in message) this.#handed.push('parted')
    else if ('joined' in message) this.#joinedAt = message.joined
    else if ('started' in message) this.#started.resolve(message.started)
    else if ('refused' in message) {
      this.#started.reject(uncrossed(message.refused))
      this.#port.close()
    } else this.#ending = true
  }

  /** What the log holds between the consumer and the point from which on batches are handed on. */
  #read(): readonly HandedBatch[] {
    const end = this.#joinedAt ?? Number.POSITIVE_INFINITY
    if (this.#after >= end) {
      this.#reading = false
      return []
    }
    const batches = this.#reader!.read(this.#after, this.#nextBytesMax)
    if (batches.length > 0) return batches.filter((batch) => batch.firstPosition <= end)
    if (this.#joinedAt !== undefined) throw this.#gap('the end of the log')
    if (!this.#joining) this.#send({ join: true })
    this.#joining = true
    return []
  }

  #takeHanded(): readonly HandedBatch[] {
    let bytes = 0
    let memoryBytes = 0
    let count = 0
    for (const batch of this.#handed) {
      if (batch === 'parted') break
      bytes += batch.bytes.length
      if (count > 0 && bytes > this.#nextBytesMax) break
      memoryBytes += batch.bytes.buffer.byteLength
      count++
    }
    if (count > 0) {
      this.#send({ credit: memoryBytes })
      return this.#handed.splice(0, count) as HandedBatch[]
    }
    if (this.#handed.shift() === 'parted') {
      this.#reading = true
      this.#joining = false
      this.#joinedAt = undefined
    }
    return []
  }

  #mustWait(): boolean {
    if (this.#closed) return false
    return this.#reading ? this.#joining && this.#joinedAt === undefined : this.#handed.length === 0
  }

  #deliver({ firstPosition, count, bytes }: HandedBatch): Delivery {
    if (firstPosition > this.#after + 1) throw this.#gap(`position ${firstPosition}`)
    this.#after = firstPosition + count - 1
    return { partition: 0, identity: this.#identity, firstPosition, count, bytes }
  }

  #gap(next: string): DroverError {
    return new DroverError('corruptData', {
      what: 'The log',
      reason: `position ${this.#after} is followed by ${next}`,
    })
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined
        resolve()
      }
    })
  }

  #portClosed(): void {
    if (this.#closed) return
    this.#closed = true
    const error = stopped(this.#ending || this.#closedHere)
    this.#started.reject(error)
    for (const each of this.#committing.splice(0)) each.reject(error)
    this.#reader?.close()
    this.#wake?.()
  }
}
