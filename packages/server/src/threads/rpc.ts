import type { Transferable } from 'node:worker_threads'
import { DroverError, type ErrorCode, type ErrorDetails, isDroverError } from '@drover/protocol'

/**
 * Calls between threads: an object of functions is served at one end of a port and called at the other.
 * Arguments and results are structured clones; what `transfer` names is moved instead.
 */
export interface Port {
  postMessage(message: unknown, transfer?: readonly Transferable[]): void
  // biome-ignore lint/suspicious/noExplicitAny: what arrives is checked here, and listeners differ by event
  on(event: string, listener: (...args: any[]) => void): unknown
}

type Call = { readonly call: number; readonly method: string; readonly args: readonly unknown[] }
type Answer =
  | { readonly answer: number; readonly value: unknown }
  | { readonly answer: number; readonly error: CrossedError }
type CrossedError = { readonly code: ErrorCode; readonly details: ErrorDetails } | { readonly text: string }

// biome-ignore lint/suspicious/noExplicitAny: only a function type over any arguments accepts every method
type Methods<T> = { readonly [K in keyof T]: (...args: any[]) => unknown }
export type Remote<T> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => infer R
    ? (...args: A) => Promise<Received<Awaited<R>>>
    : never
}
type Received<R> = R extends Transferred<infer V> ? V : R

/** A result whose buffers are moved to the caller instead of copied. */
export class Transferred<T> {
  readonly value: T
  readonly buffers: readonly Transferable[]
  constructor(value: T, buffers: readonly Transferable[]) {
    this.value = value
    this.buffers = buffers
  }
}

/** Serves `methods` at `port` until it closes. An error of the table keeps its code; any other crosses as text. */
export function serve<T extends Methods<T>>(port: Port, methods: T): void {
  port.on('message', async (message: Partial<Call>) => {
    if (typeof message?.call !== 'number') return
    const { call, method, args } = message as Call
    try {
      const result = await (methods as Record<string, (...args: readonly unknown[]) => unknown>)[method]!(
        ...args,
      )
      if (result instanceof Transferred)
        port.postMessage(
          { answer: call, value: result.value } satisfies Answer,
          result.buffers as Transferable[],
        )
      else port.postMessage({ answer: call, value: result } satisfies Answer)
    } catch (error) {
      const crossed: CrossedError = isDroverError(error)
        ? { code: error.code, details: error.details }
        : { text: error instanceof Error ? (error.stack ?? error.message) : String(error) }
      port.postMessage({ answer: call, error: crossed } satisfies Answer)
    }
  })
}

export interface ConnectOptions {
  /** Calls that may wait for an answer; one more rejects with `tooManyRequests`. */
  readonly waitingMax?: number
  /** After this long a call rejects with `queryTimedOut`; its answer is then ignored. */
  readonly timeoutMs?: number
}

/** The served object as seen from the other end of `port`. When the port closes, waiting calls reject with `shuttingDown`. */
export function connect<T extends Methods<T>>(port: Port, options: ConnectOptions = {}): Remote<T> {
  const { waitingMax = Number.POSITIVE_INFINITY, timeoutMs } = options
  const waiting = new Map<
    number,
    { resolve(value: unknown): void; reject(error: Error): void; timer: NodeJS.Timeout | undefined }
  >()
  let lastCall = 0
  let closed = false

  port.on('message', (message: Partial<Answer>) => {
    if (typeof message?.answer !== 'number') return
    const call = waiting.get(message.answer)
    if (!call) return
    waiting.delete(message.answer)
    clearTimeout(call.timer)
    if ('error' in message && message.error !== undefined) {
      const { error } = message
      call.reject('code' in error ? new DroverError(error.code, error.details) : new Error(error.text))
    } else call.resolve((message as { value: unknown }).value)
  })
  const end = () => {
    closed = true
    for (const call of waiting.values()) {
      clearTimeout(call.timer)
      call.reject(new DroverError('shuttingDown'))
    }
    waiting.clear()
  }
  port.on('close', end)
  port.on('exit', end)

  const invoke = (method: string, args: readonly unknown[]) =>
    new Promise((resolve, reject) => {
      if (closed) return reject(new DroverError('shuttingDown'))
      if (waiting.size >= waitingMax) return reject(new DroverError('tooManyRequests'))
      const call = ++lastCall
      const timer =
        timeoutMs === undefined
          ? undefined
          : setTimeout(() => {
              waiting.delete(call)
              reject(new DroverError('queryTimedOut', { limitMs: timeoutMs }))
            }, timeoutMs)
      waiting.set(call, { resolve, reject, timer })
      port.postMessage({ call, method, args } satisfies Call)
    })
  return new Proxy({} as Remote<T>, {
    // `then` would make the proxy look like a promise when it is awaited.
    get: (_, method) =>
      method === 'then' || typeof method === 'symbol'
        ? undefined
        : (...args: unknown[]) => invoke(method, args),
  })
}
