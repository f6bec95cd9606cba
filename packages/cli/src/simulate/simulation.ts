import { createDevice, type Device, type Reading } from '@drover/sdk/device'
import type { SimulatedDevice } from './fleet.ts'

export interface SimulationOptions {
  readonly mqttUrl: string
  readonly ca: Buffer | undefined
  readonly intervalMs: number
  readonly tokenOf: (device: SimulatedDevice) => string
  readonly signal: AbortSignal
  readonly nowMs: () => number
  readonly onFailure: (device: string, error: unknown) => void
}

export interface SimulationCounts {
  readonly readings: number
  readonly acknowledged: number
  readonly failed: number
}

const backfillReadingsPerMessage = 200
/** In intervals: how long a flapping device stays connected and away, and for how long a late one collects. */
const flapping = { connected: 6, away: 3 }
const lateIntervals = 12

/** Devices that send, each over a connection of its own, until the signal aborts. */
export class Simulation {
  readonly #options: SimulationOptions
  #readings = 0
  #acknowledged = 0
  #failed = 0

  constructor(options: SimulationOptions) {
    this.#options = options
  }

  get counts(): SimulationCounts {
    return { readings: this.#readings, acknowledged: this.#acknowledged, failed: this.#failed }
  }

  /** Sends history from `fromMs` to now, as fast as the server stores it. */
  async backfill(device: SimulatedDevice, fromMs: number, stepMs: number): Promise<void> {
    const connection = this.#connect(device)
    let readings: Reading[] = []
    const end = this.#options.nowMs()
    for (let time = Math.ceil(fromMs / stepMs) * stepMs; time < end; time += stepMs) {
      readings.push({ time, values: device.measure(time) })
      if (readings.length < backfillReadingsPerMessage) continue
      await connection.room()
      if (this.#options.signal.aborted) break
      this.#publish(device, connection, readings)
      readings = []
    }
    if (readings.length > 0 && !this.#options.signal.aborted) this.#publish(device, connection, readings)
    await connection.close(this.#options.signal.aborted ? { timeoutMs: 0 } : { timeoutMs: 600_000 })
  }

  /** Measures every interval until the signal aborts, then sends what is left and disconnects. */
  async live(device: SimulatedDevice, phase: number): Promise<void> {
    const { intervalMs, signal, nowMs } = this.#options
    let connection: Device | undefined = this.#connect(device)
    let collected: Reading[] = []
    await this.#pause(intervalMs * phase)
    for (let tick = 0; !signal.aborted; tick++) {
      const away =
        device.behaviour === 'flapping' && tick % (flapping.connected + flapping.away) >= flapping.connected
      if (away) {
        await connection?.close()
        connection = undefined
      } else {
        connection ??= this.#connect(device)
        collected.push({ time: nowMs(), values: device.measure(nowMs()) })
        const complete = device.behaviour !== 'late' || collected.length >= lateIntervals
        if (complete) this.#publish(device, connection, shuffled(collected))
        if (complete) collected = []
      }
      await this.#pause(intervalMs)
    }
    await connection?.close({ timeoutMs: 3000 })
  }

  #connect(device: SimulatedDevice): Device {
    const { mqttUrl, ca, tokenOf } = this.#options
    return createDevice({
      url: mqttUrl,
      ca,
      device: device.input.id,
      token: tokenOf(device),
      buffer: { messagesMax: 200 },
    })
  }

  #publish(device: SimulatedDevice, connection: Device, readings: readonly Reading[]): void {
    this.#readings += readings.length
    connection.publishAll(readings).then(
      () => {
        this.#acknowledged += readings.length
      },
      (error: unknown) => {
        this.#failed += readings.length
        if (!this.#options.signal.aborted) this.#options.onFailure(device.input.id, error)
      },
    )
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#options
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      signal.addEventListener('abort', done)
      if (signal.aborted) done()
    })
  }
}

/** Newest first, then the rest: what a device that catches up often does. */
function shuffled(readings: Reading[]): Reading[] {
  return readings.length > 1 ? [readings.at(-1)!, ...readings.slice(0, -1)] : readings
}
