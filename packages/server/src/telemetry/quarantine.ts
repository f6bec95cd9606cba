import { isUtf8 } from 'node:buffer'
import {
  DroverError,
  type QuarantineDetail,
  type QuarantineEntry,
  type QuarantinePage,
  type QuarantineReason,
} from '@drover/protocol'
import type { Actor } from '../access/actor.ts'
import { deviceIds, requireDevice } from '../devices/resolve.ts'
import { formatCursor, parseCursor } from '../model/cursor.ts'
import { pageOf } from '../model/list.ts'
import { formatTimeMicros } from '../model/time.ts'
import type { QuarantineStored } from '../store/store.ts'
import type { TelemetryContext } from './context.ts'

export interface QuarantineListQuery {
  readonly device?: string
  readonly reason?: QuarantineReason
  readonly limit: number
  readonly cursor?: string
}

/** What was not stored and why, the newest first. Rejects with `badIdentifier`, `notFound`, `badCursor`. */
export async function listQuarantine(
  { registry, reader }: TelemetryContext,
  actor: Actor,
  { device, reason, limit, cursor }: QuarantineListQuery,
): Promise<QuarantinePage> {
  const { tenant } = actor
  const deviceUid = device === undefined ? undefined : (await requireDevice(registry, tenant, device)).uid
  const beforeId = cursor === undefined ? undefined : parseCursor('quarantine', ['number'], cursor)[0]
  const [rows, dropped] = await Promise.all([
    reader.quarantine({ tenant, deviceUid, reason, limit: limit + 1, beforeId }),
    reader.quarantineDropped(deviceUid === undefined ? 'all' : [deviceUid]),
  ])
  const ids = await deviceIds(
    registry,
    tenant,
    rows.map((row) => row.deviceUid),
  )
  const page = pageOf(
    rows,
    limit,
    (row) => presentEntry(row, ids),
    ({ id }) => formatCursor('quarantine', [id]),
  )
  return { ...page, dropped }
}

/** One entry with its raw payload. Rejects with `notFound`. */
export async function getQuarantined(
  { registry, reader }: TelemetryContext,
  actor: Actor,
  id: string,
): Promise<QuarantineDetail> {
  const found = /^\d{1,15}$/.test(id) ? await reader.quarantineEntry(actor.tenant, Number(id)) : undefined
  if (!found) throw new DroverError('notFound', { kind: 'quarantine entry', id })
  const ids = await deviceIds(registry, actor.tenant, [found.deviceUid])
  return {
    ...presentEntry(found, ids),
    payload: Buffer.from(found.payload).toString('base64'),
    truncated: found.payload.length < found.payloadBytes,
  }
}

/** Names of the codes of `queue/batch.ts`. */
const contentTypeNames = [
  'application/octet-stream',
  'application/json',
  'application/senml+json',
  'application/senml+cbor',
  'application/cbor',
]

function presentEntry(row: QuarantineStored, ids: ReadonlyMap<number, string>): QuarantineEntry {
  return {
    id: String(row.id),
    // A device that is gone has no id any more; `#` is in none.
    device: ids.get(row.deviceUid) ?? `#${row.deviceUid}`,
    reason: row.reason,
    message: row.message,
    metric: row.metric,
    receivedAt: formatTimeMicros(row.receivedAtMicros),
    contentType: contentTypeNames[row.contentType] ?? contentTypeNames[0]!,
    payloadBytes: row.payloadBytes,
    preview: previewOf(row.payload),
  }
}

const previewCharacters = 200

/** The beginning of the payload as text, or in hex when it is none. */
function previewOf(payload: Uint8Array): string {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
  // A payload may be cut within a character, hence the few bytes that are left off.
  const isText = [0, 1, 2, 3].some((cut) => isUtf8(bytes.subarray(0, bytes.length - cut)))
  if (!isText || bytes.includes(0)) return bytes.toString('hex', 0, previewCharacters / 2)
  return bytes.toString('utf8', 0, previewCharacters * 4).slice(0, previewCharacters)
}
