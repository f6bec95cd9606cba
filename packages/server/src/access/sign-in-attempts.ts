import { DroverError, limits } from '@drover/protocol'

const windowMicros = 60_000_000

interface Window {
  readonly startMicros: number
  failed: number
}

/** Counts failed sign-ins by address, a minute at a time. */
export class SignInAttempts {
  readonly #windows = new Map<string, Window>()
  readonly #nowMicros: () => number

  constructor(nowMicros: () => number) {
    this.#nowMicros = nowMicros
  }

  /** Throws `tooManyAttempts` when the address has failed too often in this minute. */
  check(address: string): void {
    const window = this.#current(address)
    if (!window || window.failed < limits.failedSignInsPerMinuteMax) return
    const leftMicros = window.startMicros + windowMicros - this.#nowMicros()
    throw new DroverError('tooManyAttempts', { seconds: Math.max(1, Math.ceil(leftMicros / 1e6)) })
  }

  failed(address: string): void {
    const window = this.#current(address)
    if (window) window.failed++
    else {
      // The oldest window goes; who has failed most recently is kept longest.
      if (this.#windows.size >= limits.signInAddressesMax)
        this.#windows.delete(this.#windows.keys().next().value!)
      this.#windows.set(address, { startMicros: this.#nowMicros(), failed: 1 })
    }
  }

  #current(address: string): Window | undefined {
    const window = this.#windows.get(address)
    if (window && this.#nowMicros() < window.startMicros + windowMicros) return window
    this.#windows.delete(address)
    return undefined
  }
}
