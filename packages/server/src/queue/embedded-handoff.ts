import type { MessagePort } from 'node:worker_threads'
import type { Log } from '@drover/log'
import type { SealedBatch } from './batch.ts'
import { toDroverError } from './embedded-errors.ts'
import { type ConsumerMessage, type ConsumerRequest, crossed, type HandedBatch } from './embedded-wire.ts'

/** The log thread's side of one consumer: what it holds, and whether batches are handed on to it. */
export class HandOff {
  readonly port: MessagePort
  readonly #log: Log
  readonly #bytesMax: number
  readonly #onCommit: () => void
  #name = ''
  /** Bytes of memory that were handed on and not taken yet. */
  #heldBytes = 0
  #joined = false

  /** `bytesMax`: memory that the consumer may hold; `onCommit`: there is something for retention to do. */
  constructor(log: Log, port: MessagePort, bytesMax: number, onCommit: () => void) {
    this.#log = log
    this.port = port
    this.#bytesMax = bytesMax
    this.#onCommit = onCommit
    port.on('message', (request: ConsumerRequest) => this.#receive(request))
  }

  get isJoined(): boolean {
    return this.#joined
  }

  /** Hands durable batches on, the first of them at `firstPosition`. With `copy` the buffers stay the caller's. */
  hand(batches: readonly SealedBatch[], firstPosition: number, copy: boolean): void {
    const handed: HandedBatch[] = []
    let position = firstPosition
    for (const { bytes, count } of batches) {
      const given = copy ? bytes.slice() : bytes
      this.#heldBytes += given.buffer.byteLength
      if (this.#heldBytes > this.#bytesMax) {
        this.#heldBytes -= given.buffer.byteLength
        this.#joined = false
        break
      }
      handed.push({ firstPosition: position, count, bytes: given })
      position += count
    }
    if (handed.length > 0)
      this.port.postMessage(
        { batches: handed } satisfies ConsumerMessage,
        handed.map(({ bytes }) => bytes.buffer),
      )
    if (!this.#joined) this.#send({ parted: true })
  }

  #receive(request: ConsumerRequest): void {
    if ('credit' in request) this.#heldBytes -= request.credit
    else if ('commit' in request) {
      this.#log.commit(this.#name, request.commit)
      this.#onCommit()
      this.#send({ committed: request.commit })
    } else if ('join' in request) {
      this.#joined = true
      this.#send({ joined: this.#log.nextPosition - 1 })
    } else this.#start(request)
  }

  #start({ start: name, stored }: Extract<ConsumerRequest, { start: string }>): void {
    try {
      const after = this.#log.addConsumer(name, stored)
      this.#name = name
      this.#send({ started: { identity: this.#log.identity, after } })
    } catch (error) {
      this.#send({ refused: crossed(toDroverError(error)) })
    }
  }

  #send(message: ConsumerMessage): void {
    this.port.postMessage(message)
  }
}
