import { statfsSync } from 'node:fs'
import { LogError } from './errors.ts'

/** The disk is asked again after so many bytes or appends. */
const checkBytes = 4 << 20
const checkAppends = 64

/** Refuses appends while too little is free on the disk. Asks the disk now and then, and each time while it refuses. */
export class DiskReserve {
  readonly #directory: string
  readonly #reserveBytes: number
  readonly #freeBytes: (directory: string) => number
  #bytes = checkBytes
  #appends = 0
  #isReached = false

  constructor(directory: string, reserveBytes: number, freeBytes = freeBytesOf) {
    this.#directory = directory
    this.#reserveBytes = reserveBytes
    this.#freeBytes = freeBytes
  }

  /** Whether the last append was refused. */
  get isReached(): boolean {
    return this.#isReached
  }

  /** Called before `bytes` are appended. Throws `diskReserve`. */
  check(bytes: number): void {
    this.#bytes += bytes
    this.#appends++
    if (this.#bytes < checkBytes && this.#appends < checkAppends) return
    const freeBytes = this.#freeBytes(this.#directory)
    this.#isReached = freeBytes < this.#reserveBytes
    if (this.#isReached) {
      // Whoever appends next finds out whether there is space again.
      this.#bytes = checkBytes
      throw new LogError('diskReserve', `Only ${freeBytes} bytes are left on the disk`, {
        freeBytes,
        reserveBytes: this.#reserveBytes,
      })
    }
    this.#bytes = 0
    this.#appends = 0
  }
}

function freeBytesOf(directory: string): number {
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize
}
