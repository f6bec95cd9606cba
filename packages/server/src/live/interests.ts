import { limits } from '@drover/protocol'
import type { Clock } from '../runtime/clock.ts'

/** The devices whose events are wanted. */
export type Interest = 'all' | ReadonlySet<number>

interface Entry {
  listeners: number
  /** Events after this sequence have been published without a pause. */
  since: number
  /** When it is forgotten, once nobody listens; µs since 1970. */
  forgetAtMicros: number
}

const everyDevice = 0
const sweepPeriodMs = 5_000

/**
 * Whose events anyone wants, kept for a while after the last listener left, so that one who comes back misses nothing.
 * Uid 0, which no device has, stands for all devices.
 */
export class Interests {
  readonly #clock: Clock
  readonly #onChange: ((interest: Interest) => void) | undefined
  readonly #entries = new Map<number, Entry>()
  readonly #stopTimer: () => void

  constructor(clock: Clock, onChange: ((interest: Interest) => void) | undefined) {
    this.#clock = clock
    this.#onChange = onChange
    this.#stopTimer = clock.every(sweepPeriodMs, () => this.sweep())
  }

  get current(): Interest {
    return this.#entries.has(everyDevice) ? 'all' : new Set(this.#entries.keys())
  }

  covers(deviceUid: number): boolean {
    return this.#entries.has(everyDevice) || this.#entries.has(deviceUid)
  }

  coveredSince(deviceUids: ReadonlySet<number> | undefined, sequence: number): boolean {
    const since = (uid: number) => this.#entries.get(uid)?.since ?? Number.POSITIVE_INFINITY
    if (since(everyDevice) <= sequence) return true
    return deviceUids !== undefined && [...deviceUids].every((uid) => since(uid) <= sequence)
  }

  /** One more listener for these devices; returns how it leaves. `sequence`: the last one published. */
  join(deviceUids: ReadonlySet<number> | undefined, sequence: number): () => void {
    const uids = deviceUids === undefined ? [everyDevice] : [...deviceUids]
    let changed = false
    for (const uid of uids) {
      const entry = this.#entries.get(uid)
      if (entry) entry.listeners++
      else {
        this.#entries.set(uid, { listeners: 1, since: sequence, forgetAtMicros: 0 })
        changed = true
      }
    }
    if (changed) this.#onChange?.(this.current)
    return () => this.#leave(uids)
  }

  #leave(uids: readonly number[]): void {
    const forgetAtMicros = this.#clock.nowMicros() + limits.liveResumeSeconds * 1e6
    for (const uid of uids) {
      const entry = this.#entries.get(uid)
      if (!entry) continue
      entry.listeners--
      entry.forgetAtMicros = forgetAtMicros
    }
  }

  /** Nothing before `sequence` counts as published without a pause. */
  restart(sequence: number): void {
    for (const entry of this.#entries.values()) entry.since = sequence
  }

  /** Forgets what nobody has wanted for a while. */
  sweep(): void {
    const nowMicros = this.#clock.nowMicros()
    let changed = false
    for (const [uid, { listeners, forgetAtMicros }] of this.#entries)
      if (listeners === 0 && forgetAtMicros <= nowMicros) changed = this.#entries.delete(uid) || changed
    if (changed) this.#onChange?.(this.current)
  }

  close(): void {
    this.#stopTimer()
    this.#entries.clear()
  }
}
