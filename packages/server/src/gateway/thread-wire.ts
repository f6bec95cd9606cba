import type { QueueAccess } from '../queue/access.ts'
import type { Certificate } from './listen.ts'
import type { GatewayMetrics } from './metrics.ts'
import type { Notice } from './notices.ts'
import type { EndReason } from './presence.ts'
import type { ClosedSession, OpenedSession, OpenRequest } from './sessions.ts'

/** What a gateway thread is started with. */
export interface GatewayThreadData {
  readonly bootId: Uint8Array
  /** Of the `ReceiptClock` that all threads share. */
  readonly clock: SharedArrayBuffer
  readonly queue: QueueAccess
  readonly pendingBytesMax: number | undefined
}

export interface ListenRequest {
  readonly host: string
  readonly port: number
  /** Whether other threads listen on the same port. */
  readonly reusePort: boolean
  /** With it: TLS. */
  readonly certificate: Certificate | undefined
}

/** What main asks of a gateway thread. */
export interface GatewayThread {
  /** Answers with the port. */
  listen(request: ListenRequest): Promise<number>
  end(connection: number, reason: EndReason): Promise<void>
  updateCertificate(certificate: Certificate): void
  metrics(): GatewayMetrics
  close(timeoutMs: number): Promise<void>
}

/** What a gateway thread asks of main. */
export interface GatewayHost {
  open(request: OpenRequest): Promise<OpenedSession | undefined>
  closed(session: ClosedSession): void
  settled(connection: number, resetPending: boolean): void
  active(connections: readonly number[]): void
  notice(notice: Notice): void
}
