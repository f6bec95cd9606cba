import { limits } from '@drover/protocol'
import { defaultTenant } from '../model/device.ts'
import type { AuditRecord } from '../registry/audit.ts'
import type { Registry } from '../registry/registry.ts'
import type { Clock } from '../runtime/clock.ts'
import { record } from './actor.ts'

const minuteMicros = 60_000_000
const flushPeriodMs = 1_000
/** The log is trimmed after so many rows, not after each. */
const trimEvery = 1_000

/**
 * Writes refusals to the audit log a little later, so that refusing stays cheap, and only so many a minute, so that an
 * attacker cannot fill the disk; how many were left out is written too.
 */
export class RefusalLog {
  readonly #registry: Registry
  readonly #clock: Clock
  readonly #stopTimer: () => void
  #pending: { readonly record: AuditRecord; readonly atMicros: number }[] = []
  #minute = 0
  #thisMinute = 0
  #leftOut = 0
  #sinceTrim = trimEvery
  #flushing: Promise<void> = Promise.resolve()

  constructor(registry: Registry, clock: Clock) {
    this.#registry = registry
    this.#clock = clock
    this.#stopTimer = clock.every(flushPeriodMs, () => void this.flush())
  }

  add(refused: AuditRecord): void {
    const atMicros = this.#clock.nowMicros()
    this.#turnMinute(atMicros)
    if (this.#thisMinute >= limits.auditedRefusalsPerMinuteMax) this.#leftOut++
    else {
      this.#thisMinute++
      this.#pending.push({ record: refused, atMicros })
    }
  }

  #turnMinute(atMicros: number): void {
    const minute = Math.floor(atMicros / minuteMicros)
    if (minute === this.#minute) return
    this.#minute = minute
    this.#thisMinute = 0
    if (this.#leftOut === 0) return
    const system = { tenant: defaultTenant, name: 'system', address: null }
    const details = { count: this.#leftOut }
    this.#leftOut = 0
    this.#pending.push({ record: record(system, 'access.refusalsLeftOut', null, details), atMicros })
  }

  /** Answers when all that was added is written; what cannot be written now is tried again later. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#write())
    return this.#flushing
  }

  async #write(): Promise<void> {
    this.#turnMinute(this.#clock.nowMicros())
    const pending = this.#pending
    if (pending.length === 0) return
    this.#pending = []
    try {
      await this.#registry.transaction(async ({ audit }) => {
        for (const { record, atMicros } of pending) await audit.add(record, atMicros)
      })
      await this.#trim(pending.length)
    } catch {
      this.#pending = [...pending, ...this.#pending].slice(0, limits.auditedRefusalsPerMinuteMax)
    }
  }

  async #trim(added: number): Promise<void> {
    this.#sinceTrim += added
    if (this.#sinceTrim < trimEvery) return
    this.#sinceTrim = 0
    await this.#registry.audit.trim(limits.auditRowsMax)
  }

  async close(): Promise<void> {
    this.#stopTimer()
    await this.flush()
  }
}
