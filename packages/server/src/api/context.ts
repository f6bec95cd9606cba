import type { Backup, ServerInfo } from '@drover/protocol'
import type { Registry as MetricsRegistry } from 'prom-client'
import type { AccessContext } from '../access/sessions.ts'
import type { DeviceContext } from '../devices/context.ts'
import type { Ingest } from '../gateway/ingest.ts'
import type { LiveFeed } from '../live/feed.ts'
import type { Logger } from '../runtime/logger.ts'
import type { StoreReader } from '../store/store.ts'

/** One thing that has to work for the server to be of use. */
export interface ReadinessCheck {
  readonly name: string
  readonly ready: boolean
  /** Why not. */
  readonly reason?: string
}

/** What the API serves, and with what. One context may serve several listeners. */
export interface ApiContext extends DeviceContext, AccessContext {
  readonly reader: StoreReader
  readonly ingest: Ingest
  readonly live: LiveFeed
  /** Metrics of all parts; `createMetrics` makes one, and the API adds its own. */
  readonly metrics: MetricsRegistry
  readonly readiness: () => Promise<readonly ReadinessCheck[]>
  readonly serverInfo: () => ServerInfo
  /** Which routes there are beside those for machines; all unless told. */
  readonly serves?: { readonly api: boolean; readonly ingest: boolean }
  /** Copies everything into a folder of this machine. */
  readonly backup: (directory: string) => Promise<Backup>
  /** The certificate of the own authority, when there is one. */
  readonly authorityCertificate?: () => string | undefined
  /** Where the built console is; without it `/` says how to build it. */
  readonly consoleDirectory?: string
  readonly logger?: Logger
  /** Proxies whose `X-Forwarded-For` and `-Proto` are believed (addresses or ranges); none unless told. */
  readonly trustedProxies?: readonly string[]
}
