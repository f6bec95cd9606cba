import { DroverError, limits } from '@drover/protocol'

export interface BufferLimits {
  readonly messagesMax: number
  readonly bytesMax: number
}

/** One message until it is acknowledged. */
export interface Pending {
  readonly payload: Buffer
  resolve(): void
  reject(error: Error): void
}

/**
 * What was published and not acknowledged, in order: first what is in flight, then what waits to be sent. Bounded;
 * what comes over is refused with `queueFull`, so nothing disappears silently.
 */
export class MessageBuffer {
  readonly #limits: BufferLimits
  readonly #inFlight = new Set<Pending>()
  #waiting: Pending[] = []
  #next = 0
  #bytes = 0
  #roomWaiters: (() => void)[] = []

  constructor(limits: BufferLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#inFlight.size + this.waiting
  }

  get waiting(): number {
    return this.#waiting.length - this.#next
  }

  get inFlight(): number {
    return this.#inFlight.size
  }

  hasRoomFor(bytes: number): boolean {
    return this.size < this.#limits.messagesMax && this.#bytes + bytes <= this.#limits.bytesMax
  }

  add(message: Pending): void {
    if (!this.hasRoomFor(message.payload.length))
      throw new DroverError('queueFull', { limit: this.#limits.bytesMax })
    this.#waiting.push(message)
    this.#bytes += message.payload.length
  }

  /** The oldest message that waits, which is in flight from now on. */
  takeNext(): Pending | undefined {
    const message = this.#waiting[this.#next]
    if (message === undefined) return undefined
    this.#next++
    if (this.#next > 1024 && this.#next * 2 > this.#waiting.length) this.#compact()
    this.#inFlight.add(message)
    return message
  }

  /** It is acknowledged, or refused for good. */
  settle(message: Pending): void {
    if (!this.#inFlight.delete(message)) return
    this.#release(message)
  }

  /** Gives up the oldest message that waits; false if none does. */
  dropOldest(error: Error): boolean {
    const message = this.#waiting[this.#next]
    if (message === undefined) return false
    this.#next++
    this.#release(message)
    message.reject(error)
    return true
  }

  /** The connection is gone: what was in flight is sent again, in order and before the rest. */
  returnInFlight(): void {
    this.#waiting = [...this.#inFlight, ...this.#waiting.slice(this.#next)]
    this.#next = 0
    this.#inFlight.clear()
  }

  rejectAll(error: Error): void {
    this.returnInFlight()
    while (this.dropOldest(error));
  }

  /** Resolves when there is room for one more message of any size that the server takes. */
  async room(): Promise<void> {
    const bytes = Math.min(limits.messageBytesMax, this.#limits.bytesMax / 2)
    while (!this.hasRoomFor(bytes)) await new Promise<void>((resolve) => this.#roomWaiters.push(resolve))
  }

  #release(message: Pending): void {
    this.#bytes -= message.payload.length
    const waiters = this.#roomWaiters
    if (waiters.length === 0) return
    this.#roomWaiters = []
    for (const wake of waiters) wake()
  }

  #compact(): void {
    this.#waiting = this.#waiting.slice(this.#next)
    this.#next = 0
  }
}
