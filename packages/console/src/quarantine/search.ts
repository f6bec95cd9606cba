import { type QuarantineReason, quarantineReasons } from '@drover/protocol'

export interface QuarantineSearch {
  readonly device?: string
  readonly reason?: QuarantineReason
  readonly cursor?: string
}

export function quarantineSearch(search: Record<string, unknown>): QuarantineSearch {
  const { device, reason, cursor } = search
  return {
    device: device ? String(device) : undefined,
    reason: isReason(reason) ? reason : undefined,
    cursor: cursor ? String(cursor) : undefined,
  }
}

function isReason(reason: unknown): reason is QuarantineReason {
  return typeof reason === 'string' && Object.hasOwn(quarantineReasons, reason)
}
