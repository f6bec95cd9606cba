import type { Registry } from '../registry/registry.ts'
import type { StoreReader } from '../store/store.ts'

/** What reading telemetry works with. */
export interface TelemetryContext {
  readonly registry: Pick<Registry, 'devices'>
  readonly reader: StoreReader
}
