import { join } from 'node:path'

/** What a data directory holds. */
export interface DataPaths {
  /** The administrator key, mode 0600. */
  readonly adminKey: string
  /** Own authority and server certificate. */
  readonly tls: string
  readonly registry: string
  /** Accepted messages that are not all stored yet. */
  readonly log: string
  readonly store: string
}

export function dataPaths(directory: string): DataPaths {
  return {
    adminKey: join(directory, 'admin-key'),
    tls: join(directory, 'tls'),
    registry: join(directory, 'registry.sqlite'),
    log: join(directory, 'log'),
    store: join(directory, 'store'),
  }
}
