import { isRangeName, type RangeName } from '../chart/range.ts'

/** What of the device's page stands in the address: the metric, and the range or the part zoomed into. */
export interface DeviceSearch {
  readonly metric?: string
  readonly range?: RangeName
  /** Milliseconds since 1970; both or none. */
  readonly from?: number
  readonly to?: number
}

export function deviceSearch(search: Record<string, unknown>): DeviceSearch {
  const from = Number(search.from)
  const to = Number(search.to)
  const zoomed = Number.isFinite(from) && Number.isFinite(to) && from < to
  return {
    metric: search.metric === undefined ? undefined : String(search.metric),
    range: isRangeName(search.range) ? search.range : undefined,
    ...(zoomed ? { from, to } : {}),
  }
}
