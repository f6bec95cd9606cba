import type { ErrorDetails } from '@drover/protocol'
import type { AuditRecord } from '../registry/audit.ts'

/** Who asks for something: for the audit log, and for what they may see. */
export interface Actor {
  readonly tenant: number
  /** `admin-key`, `session:…`, `device:<id>`, `system`, `unknown`. */
  readonly name: string
  /** The address that the request came from. */
  readonly address: string | null
}

/** The audit log's record of what an actor did. */
export function record(
  actor: Actor,
  action: string,
  subject: string | null,
  details: ErrorDetails = {},
): AuditRecord {
  return { tenant: actor.tenant, actor: actor.name, address: actor.address, action, subject, details }
}
