import type { Profile, ServerInfo } from '@drover/protocol'

/** Where a reading can be sent; a part is undefined where the server does not listen. */
export interface Endpoints {
  readonly http?: string
  readonly mqtt?: { readonly host: string; readonly port: number }
}

/** What is pasted into a terminal. */
export interface Commands {
  readonly mqtt?: string
  readonly http?: string
}

const defaultPorts = { http: 8080, https: 8443, mqtt: 1883, mqtts: 8883 }

/** On the server's own machine, without encryption. */
export function localEndpoints(server: ServerInfo | undefined): Endpoints {
  const { http, mqtt } = server?.ports ?? defaultPorts
  const host = '127.0.0.1'
  return {
    http: http === null ? undefined : `http://${host}:${http}`,
    mqtt: mqtt === null ? undefined : { host, port: mqtt },
  }
}

/** From any machine that reaches the server, by TLS. `pageHost` is the name that the reader's browser used. */
export function networkEndpoints(server: ServerInfo | undefined, pageHost: string): Endpoints {
  const { https, mqtts } = server?.ports ?? defaultPorts
  const host = isLoopback(pageHost) ? (server?.host ?? pageHost) : pageHost
  return {
    http: https === null ? undefined : `https://${bracketed(host)}:${https}`,
    mqtt: mqtts === null ? undefined : { host, port: mqtts },
  }
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || host.startsWith('127.')
}

function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}

export interface Credentials {
  readonly device: string
  readonly token: string
}

/** With `caFile`, the server is checked against that certificate. */
export function commandsFor(
  { http, mqtt }: Endpoints,
  { device, token }: Credentials,
  payload: string,
  caFile?: string,
): Commands {
  const ca = (option: string) => (caFile ? ` ${option} ${caFile}` : '')
  return {
    mqtt:
      mqtt &&
      [
        `mosquitto_pub -h ${mqtt.host} -p ${mqtt.port}${ca('--cafile')} \\`,
        `  -i ${device} -u ${device} \\`,
        `  -P ${token} \\`,
        `  -q 1 -t me/telemetry -m '${payload}'`,
      ].join('\n'),
    http:
      http &&
      [
        `curl${ca('--cacert')} ${http}/api/v1/ingest/telemetry \\`,
        `  -H 'Authorization: Bearer ${token}' \\`,
        `  -H 'Content-Type: application/json' \\`,
        `  -d '${payload}'`,
      ].join('\n'),
  }
}

/** Fetches the server's own certificate authority, which nothing trusts yet. */
export function caCommand(http: string): string {
  return `curl -sk ${http}/ca.pem -o ca.pem`
}

const metricsMax = 3

/** A believable first message of a device with this profile. */
export function samplePayload(profile: Profile | undefined): string {
  const metrics = Object.entries(profile?.metrics ?? {}).slice(0, metricsMax)
  if (metrics.length === 0) return '{"temperature":21.4}'
  return shellSafe(
    JSON.stringify(Object.fromEntries(metrics.map(([name, metric]) => [name, sampleOf(metric)]))),
  )
}

function sampleOf({ type, min, max }: Profile['metrics'][string]): unknown {
  if (type === 'boolean') return true
  if (type === 'string') return 'ok'
  if (type === 'location') return { latitude: 52.52, longitude: 13.405 }
  if (type === 'json') return {}
  return numberWithin(type === 'integer' ? 21 : 21.4, min, max)
}

/** The usual number if the bounds allow it, or else one that they do. */
function numberWithin(usual: number, min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY): number {
  if (min <= usual && usual <= max) return usual
  if (Number.isFinite(min) && Number.isFinite(max)) return Math.round((min + max) / 2)
  return Number.isFinite(min) ? min : max
}

/** The payload stands in single quotes; an apostrophe in a metric's name would end them. */
function shellSafe(payload: string): string {
  return payload.replaceAll("'", '\\u0027')
}
