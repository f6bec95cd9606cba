import type { AuditEntry, Page } from '@drover/protocol'
import { formatCursor, parseCursor } from '../model/cursor.ts'
import { pageOf } from '../model/list.ts'
import { formatTimeMicros } from '../model/time.ts'
import type { Actor } from './actor.ts'
import type { AccessContext } from './sessions.ts'

/** The audit log, the newest row first. Rejects with `badCursor`. */
export async function listAudit(
  { registry, refusals }: Pick<AccessContext, 'registry' | 'refusals'>,
  { tenant }: Actor,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string },
): Promise<Page<AuditEntry>> {
  await refusals.flush()
  const beforeId = cursor === undefined ? undefined : parseCursor('audit', ['number'], cursor)[0]
  const rows = await registry.audit.list(tenant, limit + 1, beforeId)
  return pageOf(
    rows,
    limit,
    ({ id, atMicros, actor, address, action, subject, details }) => ({
      id: String(id),
      time: formatTimeMicros(atMicros),
      actor,
      address,
      action,
      subject,
      details: { ...details },
    }),
    ({ id }) => formatCursor('audit', [id]),
  )
}
