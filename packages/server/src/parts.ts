import type { Configuration } from './config.ts'
import type { DataPaths } from './data-paths.ts'
import type { Lifecycle } from './runtime/lifecycle.ts'
import type { Logger } from './runtime/logger.ts'

/** What every part of the process is started with. */
export interface PartInput {
  readonly configuration: Configuration
  readonly paths: DataPaths
  readonly log: Logger
  readonly lifecycle: Lifecycle
  /** A part has failed beyond repair: the process should stop and be started again. */
  readonly onFailure: (error: Error) => void
}
