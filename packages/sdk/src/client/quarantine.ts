import type { QuarantineDetail, QuarantinePage, QuarantineReason } from '@drover/protocol'
import type { PageQuery } from './devices.ts'
import type { Http } from './http.ts'

export interface QuarantineQuery extends PageQuery {
  readonly device?: string
  readonly reason?: QuarantineReason
}

export function createQuarantine({ request }: Http) {
  return {
    /** The newest first. */
    list: (query: QuarantineQuery = {}, signal?: AbortSignal) =>
      request<QuarantinePage>('GET', '/quarantine', { query: { ...query }, signal }),
    /** With the raw payload in base64. */
    get: (id: string, signal?: AbortSignal) =>
      request<QuarantineDetail>('GET', `/quarantine/${encodeURIComponent(id)}`, { signal }),
  }
}
