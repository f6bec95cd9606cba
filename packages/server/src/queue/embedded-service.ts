import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { isLogError, type Log, type LogBatch, openLog } from '@drover/log'
import { DroverError } from '@drover/protocol'
import { lastReceivedAt, type SealedBatch } from './batch.ts'
import { toDroverError } from './embedded-errors.ts'
import { HandOff } from './embedded-handoff.ts'
import { type ConsumerPortMessage, crossed, type Ending, type ProducerMessage } from './embedded-wire.ts'
import type { QueueStatus } from './queue.ts'

export interface LogServiceOptions {
  /** Folder of the log. */
  readonly directory: string
  /** Bytes of batches kept before appends are refused with `queueFull`. */
  readonly bytesMax: number
  /** Appends are refused with `diskReserveReached` while less is free on the disk. */
  readonly diskReserveBytes: number
  /** Bytes of memory that may be handed to a consumer that has not taken them yet. */
  readonly handoffBytesMax: number
}

/** Bytes of batches that one transaction takes, so that the first to come does not wait for the last. */
const groupBytesMax = 8 << 20
/** Milliseconds after a commit at which everything that can be deleted is, and the committed positions are saved. */
const tidyDelayMs = 200
/** Between two steps of that, for appends. */
const tidyStepMs = 20
/** After a failure of retention (a full disk), it is tried again so many milliseconds later. */
const tidyRetryMs = 1000
/** A consumer of this name holds retention back while a backup is taken. */
const backupConsumer = 'backup'

class Producer {
  readonly port: MessagePort
  firstPositions: number[] = []
  refused = 0

  constructor(port: MessagePort) {
    this.port = port
  }

  /** Sends what has gathered, if anything has. */
  answer(error: DroverError | undefined): void {
    const { firstPositions, refused } = this
    if (firstPositions.length === 0 && refused === 0) return
    this.port.postMessage({
      firstPositions,
      refused,
      error: refused > 0 ? crossed(error!) : undefined,
    } satisfies ProducerMessage)
    this.firstPositions = []
    this.refused = 0
  }
}

/**
 * The log's side of the embedded queue, for one thread. What producers have sent during one turn of the loop is appended in
 * one transaction; the answers go out; the same buffers are handed on; then there is time for retention.
 */
export class LogService {
  readonly #log: Log
  readonly #options: LogServiceOptions
  readonly #producers = new Set<Producer>()
  readonly #handOffs = new Set<HandOff>()
  readonly #consumerPorts = new Set<MessagePort>()
  #arrived: SealedBatch[] = []
  #arrivedFrom: Producer[] = []
  #turn: NodeJS.Immediate | undefined
  #tidying: NodeJS.Timeout | undefined
  #lastReceivedAt: number

  /** Throws `corruptData` or `queueUnavailable`. */
  constructor(options: LogServiceOptions) {
    this.#options = options
    try {
      this.#log = openLog(options)
      this.#log.removeConsumer(backupConsumer)
    } catch (error) {
      throw toDroverError(error)
    }
    this.#lastReceivedAt = Math.max(
      Number(this.#log.note),
      ...this.#log.readLast(64).map(({ bytes }) => lastReceivedAt(bytes)),
    )
  }

  get status(): QueueStatus {
    return { ...this.#log.status, lastReceivedAt: this.#lastReceivedAt }
  }

  addProducer(port: MessagePort): void {
    const producer = new Producer(port)
    this.#producers.add(producer)
    port.on('message', (batch: SealedBatch) => this.#arrive(producer, batch))
    port.on('close', () => this.#producers.delete(producer))
  }

  addConsumers(port: MessagePort): void {
    this.#consumerPorts.add(port)
    port.on('close', () => this.#consumerPorts.delete(port))
    port.on('message', ({ channel }: ConsumerPortMessage) => {
      const handOff = new HandOff(this.#log, channel, this.#options.handoffBytesMax, () => this.#committed())
      this.#handOffs.add(handOff)
      channel.on('close', () => this.#handOffs.delete(handOff))
    })
  }

  /** Retention keeps everything from now on, until `releaseRetention`. */
  holdRetention(): void {
    this.#log.addConsumer(backupConsumer)
  }

  releaseRetention(): void {
    try {
      this.#log.removeConsumer(backupConsumer)
    } catch (error) {
      throw toDroverError(error)
    }
    this.#committed()
  }

  /** Answers what has been sent already, refuses what comes later, and closes the log. */
  close(): void {
    for (const producer of this.#producers)
      for (let got = receiveMessageOnPort(producer.port); got; got = receiveMessageOnPort(producer.port))
        this.#arrive(producer, got.message)
    while (this.#arrived.length > 0) this.#appendGroup()
    clearImmediate(this.#turn)
    clearTimeout(this.#tidying)
    for (const { port } of [...this.#producers, ...this.#handOffs]) {
      port.postMessage({ ending: true } satisfies Ending)
      // What has come meanwhile is not looked at.
      port.removeAllListeners('message')
      port.close()
    }
    for (const port of this.#consumerPorts) port.close()
    this.#log.close()
  }

  #arrive(producer: Producer, batch: SealedBatch): void {
    this.#arrived.push(batch)
    this.#arrivedFrom.push(producer)
    this.#turn ??= setImmediate(() => this.#takeTurn())
  }

  /** Runs when all ports have been read, so that everything that waited goes into one transaction. */
  #takeTurn(): void {
    this.#turn = undefined
    this.#appendGroup()
    const more = this.#maintain(false)
    if (more || this.#arrived.length > 0) this.#turn ??= setImmediate(() => this.#takeTurn())
  }

  #appendGroup(): void {
    const count = prefixWithin(this.#arrived, groupBytesMax)
    if (count === 0) return
    const batches = this.#arrived.splice(0, count)
    const producers = this.#arrivedFrom.splice(0, count)
    const { first, accepted, error } = this.#append(batches)
    let position = first
    for (const [at, { count: records }] of batches.entries()) {
      const producer = producers[at]!
      if (at < accepted) producer.firstPositions.push(position)
      else producer.refused++
      position += records
    }
    for (const producer of new Set(producers)) producer.answer(error)
    this.#handOn(batches.slice(0, accepted), first)
  }

  /** Appends as many of the batches as the log takes, in their order. */
  #append(batches: readonly SealedBatch[]): {
    first: number
    accepted: number
    error: DroverError | undefined
  } {
    let accepted = batches.length
    let error: DroverError | undefined
    try {
      accepted = this.#fitting(batches)
      if (accepted < batches.length) error = new DroverError('queueFull', { limit: this.#options.bytesMax })
      if (accepted === 0) return { first: 0, accepted, error }
      const first = this.#log.append(accepted < batches.length ? batches.slice(0, accepted) : batches)
      return { first, accepted, error }
    } catch (failure) {
      // On a full disk, what the log itself takes of it may be given back.
      if (isLogError(failure, 'diskReserve')) this.#tidyAfter(tidyDelayMs)
      return { first: 0, accepted: 0, error: toDroverError(failure) }
    }
  }

  /** How many of the batches the log has room for, after deleting what it may if that is necessary. */
  #fitting(batches: readonly SealedBatch[]): number {
    for (let more = true; ; more = this.#log.maintain(true)) {
      const fitting = prefixWithin(batches, this.#log.roomBytes, 0)
      if (fitting === batches.length || !more) return fitting
    }
  }

  #handOn(batches: readonly SealedBatch[], first: number): void {
    for (const { bytes } of batches)
      this.#lastReceivedAt = Math.max(this.#lastReceivedAt, lastReceivedAt(bytes))
    this.#log.note = String(this.#lastReceivedAt)
    const joined = [...this.#handOffs].filter((each) => each.isJoined)
    // The last one gets the buffers themselves.
    for (const [at, handOff] of joined.entries()) handOff.hand(batches, first, at < joined.length - 1)
  }

  #committed(): void {
    this.#turn ??= setImmediate(() => this.#takeTurn())
    this.#tidyAfter(tidyDelayMs)
  }

  #tidyAfter(delayMs: number): void {
    this.#tidying ??= setTimeout(() => {
      this.#tidying = undefined
      if (this.#maintain(true)) this.#tidyAfter(tidyStepMs)
    }, delayMs)
  }

  #maintain(thorough: boolean): boolean {
    try {
      return this.#log.maintain(thorough)
    } catch (error) {
      if (!isLogError(error)) throw error
      // The disk is full or the file is locked: appends say so to those who send.
      this.#tidyAfter(tidyRetryMs)
      return false
    }
  }
}

/** How many of the first batches have `bytesMax` bytes at most, but at least `least`. */
function prefixWithin(batches: readonly LogBatch[], bytesMax: number, least = 1): number {
  let bytes = 0
  for (const [at, batch] of batches.entries()) {
    bytes += batch.bytes.length
    if (bytes > bytesMax && at >= least) return at
  }
  return batches.length
}
