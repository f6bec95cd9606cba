import type {
  AggregateFunction,
  Connection,
  Device,
  DeviceCreated,
  DeviceInput,
  DevicePatch,
  DeviceState,
  ImportResult,
  Latest,
  Page,
  TelemetryPage,
  Token,
  TokenCreated,
} from '@drover/protocol'
import type { Http } from './http.ts'

/** RFC 3339, or milliseconds since 1970. */
export type TimeInput = string | number

export interface PageQuery {
  readonly limit?: number
  readonly cursor?: string
}

export interface DeviceQuery extends PageQuery {
  /** Words that the id or the name holds. */
  readonly q?: string
  readonly profile?: string
  readonly tag?: string
  /** `online` and `offline` are of the connection, `active` and `suspended` of the device itself. */
  readonly state?: DeviceState | 'online' | 'offline'
}

export interface SeriesQuery {
  /** Included. */
  readonly from?: TimeInput
  /** Excluded. */
  readonly to?: TimeInput
  /** Width of a bucket, such as `10s`, `5m`, `1d`; without it the raw points come. */
  readonly every?: string
  readonly fn?: readonly AggregateFunction[]
  readonly quality?: 'good' | 'any'
  /** `desc`: raw points, the newest first. */
  readonly order?: 'asc' | 'desc'
  /** Downsample to at most so many points, peaks kept. */
  readonly maxPoints?: number
}

export interface TelemetryOptions extends SeriesQuery, PageQuery {
  readonly metric: string
}

export type ImportFormat = 'csv' | 'jsonLines'
const importContentTypes = { csv: 'text/csv', jsonLines: 'application/x-ndjson' } as const

export function createDevices({ request }: Http) {
  const at = (id: string, rest = '') => `/devices/${encodeURIComponent(id)}${rest}`
  return {
    list: (query: DeviceQuery = {}, signal?: AbortSignal) =>
      request<Page<Device>>('GET', '/devices', { query: { ...query }, signal }),
    get: (id: string, signal?: AbortSignal) => request<Device>('GET', at(id), { signal }),
    /** The answer holds the device's first token, this once. */
    create: (device: DeviceInput) => request<DeviceCreated>('POST', '/devices', { json: device }),
    update: (id: string, patch: DevicePatch) => request<Device>('PATCH', at(id), { json: patch }),
    /** Closes its connections; what it sent is hidden at once. */
    delete: (id: string) => request<void>('DELETE', at(id)),
    /** Its tokens without their secrets. */
    tokens: (id: string, signal?: AbortSignal) => request<Page<Token>>('GET', at(id, '/tokens'), { signal }),
    /** The answer holds the token, this once. */
    createToken: (id: string) => request<TokenCreated>('POST', at(id, '/tokens'), { json: {} }),
    /** Closes the connections that use it. */
    revokeToken: (id: string, keyId: string) =>
      request<void>('DELETE', at(id, `/tokens/${encodeURIComponent(keyId)}`)),
    connection: (id: string, signal?: AbortSignal) =>
      request<Connection>('GET', at(id, '/connection'), { signal }),
    /** The newest value of each metric, by the time of the point. */
    latest: (id: string, signal?: AbortSignal) => request<Latest>('GET', at(id, '/latest'), { signal }),
    /** One metric: raw points in time order, or buckets with `every`. */
    telemetry: (id: string, options: TelemetryOptions, signal?: AbortSignal) =>
      request<TelemetryPage>('GET', at(id, '/telemetry'), { query: { ...options }, signal }),
    /** Thousands at once, from CSV with a header row, or one JSON object a line. */
    import: (rows: string, format: ImportFormat = 'csv') =>
      request<ImportResult>('POST', '/imports/devices', {
        body: rows,
        contentType: importContentTypes[format],
      }),
  }
}
