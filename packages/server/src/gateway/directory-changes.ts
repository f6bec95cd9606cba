import type { Device } from './directory-sessions.ts'
import type { KeepPresence, KeptPresence } from './presence.ts'

/** Devices send all the time: that they were seen is kept this often, whatever else changes is at once. */
const seenPeriodMs = 60_000

/** Devices whose presence is not kept as it is. */
export class PresenceChanges {
  readonly #changed = new Set<Device>()
  /** Only when they were last seen has changed. */
  readonly #seen = new Set<Device>()
  #seenDueAtMs = 0

  changed(device: Device): void {
    this.#changed.add(device)
  }

  seen(device: Device, nowMs: number): void {
    device.lastSeenMs = nowMs
    this.#seen.add(device)
  }

  /** Answers how many devices it gave to `keep`; those that it rejects stay here. */
  async keep(keep: KeepPresence, devicesMax: number, nowMs: number): Promise<number> {
    if (nowMs >= this.#seenDueAtMs) this.#includeSeen(nowMs)
    const devices = this.#take(devicesMax)
    if (devices.length === 0) return 0
    try {
      await keep(devices.map(presenceOf))
    } catch (error) {
      for (const device of devices) this.#changed.add(device)
      throw error
    }
    return devices.length
  }

  #take(devicesMax: number): Device[] {
    const devices: Device[] = []
    for (const device of this.#changed) {
      if (devices.length === devicesMax) break
      devices.push(device)
      this.#changed.delete(device)
      this.#seen.delete(device)
    }
    return devices
  }

  #includeSeen(nowMs: number): void {
    this.#seenDueAtMs = nowMs + seenPeriodMs
    for (const device of this.#seen) this.#changed.add(device)
    this.#seen.clear()
  }
}

function presenceOf({ uid, sinceMs, lastSeenMs, reason }: Device): KeptPresence {
  return { deviceUid: uid, sinceMs, lastSeenMs, reason }
}
