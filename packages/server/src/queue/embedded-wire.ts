import type { MessagePort } from 'node:worker_threads'
import { DroverError, type ErrorCode, type ErrorDetails } from '@drover/protocol'
import type { SealedBatch } from './batch.ts'
import type { StoredPosition } from './queue.ts'

/** What crosses between the log thread and those that append or consume. Ports keep the order of messages. */

/** From a producer, the buffer transferred. */
export type AppendMessage = SealedBatch

/** To a producer: answers its oldest unanswered batches in their order, first the accepted, then the refused ones. */
export type ProducerMessage =
  | {
      readonly firstPositions: readonly number[]
      readonly refused: number
      readonly error: CrossedError | undefined
    }
  | Ending

/** On a consumer port: a new channel for one consumer. */
export interface ConsumerPortMessage {
  readonly channel: MessagePort
}

export type ConsumerRequest =
  | { readonly start: string; readonly stored: StoredPosition | undefined }
  /** The consumer has read to the end of the log and wants what follows handed on. */
  | { readonly join: true }
  /** Handed-on bytes that the consumer holds no more. */
  | { readonly credit: number }
  | { readonly commit: number }

export type ConsumerMessage =
  | { readonly started: { readonly identity: string; readonly after: number } }
  | { readonly refused: CrossedError }
  /** What follows this position is handed on; up to it, the consumer reads the log. */
  | { readonly joined: number }
  | { readonly batches: readonly HandedBatch[] }
  /** The consumer holds too much: what follows is not handed on until it joins again. */
  | { readonly parted: true }
  | { readonly committed: number }
  | Ending

/** The log thread stops as it was asked to. A port that closes without it belonged to a thread that failed. */
export interface Ending {
  readonly ending: true
}

export interface HandedBatch {
  readonly firstPosition: number
  readonly count: number
  readonly bytes: Uint8Array<ArrayBuffer>
}

export interface CrossedError {
  readonly code: ErrorCode
  readonly details: ErrorDetails
}

export function crossed({ code, details }: DroverError): CrossedError {
  return { code, details }
}

export function uncrossed({ code, details }: CrossedError): DroverError {
  return new DroverError(code, details)
}

export function stopped(ended: boolean): DroverError {
  return ended
    ? new DroverError('shuttingDown')
    : new DroverError('queueUnavailable', { reason: 'the log thread has stopped' })
}
