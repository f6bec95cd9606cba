import type {
  Backup,
  LatestQuery,
  LatestResult,
  ServerInfo,
  Session,
  TelemetryQuery,
  TelemetryQueryResult,
} from '@drover/protocol'
import { createDevices } from './devices.ts'
import { type Connection, createHttp, type Http } from './http.ts'
import { type LiveOptions, openLive } from './live.ts'
import { createProfiles } from './profiles.ts'
import { createQuarantine } from './quarantine.ts'

export type {
  DeviceQuery,
  ImportFormat,
  PageQuery,
  SeriesQuery,
  TelemetryOptions,
  TimeInput,
} from './devices.ts'
export type { Connection as ClientOptions } from './http.ts'
export type { LiveOptions, LiveState } from './live.ts'
export { type Cursored, eachItem, eachPage } from './pages.ts'
export type { QuarantineQuery } from './quarantine.ts'

/**
 * A typed client of the REST API, for browsers and Node. Every method throws DroverError: with the server's code, or
 * `serverUnreachable` when nothing answers. An AbortSignal given to a method makes it throw the signal's reason.
 */
export function createClient(connection: Connection) {
  const http = createHttp(connection)
  return {
    devices: createDevices(http),
    profiles: createProfiles(http),
    telemetry: {
      /** Several devices, a tag or a profile, in one answer. */
      query: (query: TelemetryQuery, signal?: AbortSignal) =>
        http.request<TelemetryQueryResult>('POST', '/telemetry/query', { json: query, signal }),
      /** The newest values of several devices. */
      latest: (query: LatestQuery, signal?: AbortSignal) =>
        http.request<LatestResult>('POST', '/telemetry/latest', { json: query, signal }),
    },
    quarantine: createQuarantine(http),
    backups: {
      /** Copies everything into a folder of the server's machine, while it runs; answers when the copy is complete. */
      create: (directory: string, signal?: AbortSignal) =>
        http.request<Backup>('POST', '/backups', { json: { directory }, signal }),
    },
    session: createSession(http),
    /** Where devices and people reach this server. */
    server: (signal?: AbortSignal) => http.request<ServerInfo>('GET', '/server', { signal }),
    /** What happens from now on, as it happens. */
    live: (options?: LiveOptions) => openLive(http, options),
  }
}
export type Client = ReturnType<typeof createClient>

/** The cookie session of a person in a browser. */
function createSession({ request }: Http) {
  return {
    get: (signal?: AbortSignal) => request<Session>('GET', '/session', { signal }),
    create: (key: string) => request<Session>('POST', '/session', { json: { key } }),
    delete: () => request<void>('DELETE', '/session'),
  }
}
