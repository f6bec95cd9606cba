import type { MessageKey, SeriesState } from '../store/store.ts'
import { HeldKeys } from './message-keys.ts'
import { MetricState } from './metric.ts'
import type { DeviceProfile } from './profiles.ts'
import type { Rules } from './rules.ts'

/** What processing keeps of a device between its messages; all of it can be loaded again. */
export class DeviceState {
  readonly uid: number
  readonly tenant: number
  readonly id: string
  readonly keys: HeldKeys
  readonly metrics = new Map<string, MetricState>()
  rules: Rules
  /** The registry has changed: what it says has to be loaded again before the next message. */
  isStale = false
  /** The number of the last batch that used it. */
  usedInBatch = 0
  /** Entries in quarantine, and when it was last found full and counted again, in µs since 1970. */
  quarantined = 0
  quarantineCountedAt = 0

  constructor(
    { deviceUid, tenant, deviceId }: DeviceProfile,
    rules: Rules,
    series: readonly SeriesState[],
    keys: readonly MessageKey[],
  ) {
    this.uid = deviceUid
    this.tenant = tenant
    this.id = deviceId
    this.rules = rules
    this.keys = new HeldKeys(deviceUid, keys)
    for (const { metric, id, type, latest } of series) {
      const state = new MetricState(metric, id, type, rules)
      state.seed(latest)
      this.metrics.set(metric, state)
    }
  }

  apply(rules: Rules): void {
    this.rules = rules
    this.isStale = false
    for (const metric of this.metrics.values()) metric.apply(rules)
  }
}
