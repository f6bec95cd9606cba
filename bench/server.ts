import { readFile } from 'node:fs/promises'
import type { TestServer } from '../tests/support/server.ts'
import { eventually } from '../tests/support/wait.ts'

/** The value of a metric without labels, from `/metrics`. */
export async function metric(server: TestServer, name: string): Promise<number> {
  const response = await fetch(`${server.http}/metrics`, { headers: authorization(server) })
  const line = (await response.text()).split('\n').find((text) => text.startsWith(`${name} `))
  if (line === undefined) throw new Error(`/metrics has no ${name}`)
  return Number(line.slice(name.length + 1))
}

/** Waits until processing has stored everything that was accepted; answers the seconds it took. */
export async function drained(server: TestServer, deadlineMs: number): Promise<number> {
  const startedAt = performance.now()
  await eventually(async () => (await metric(server, 'drover_queue_lag_records')) === 0, {
    deadlineMs,
    everyMs: 50,
  })
  return (performance.now() - startedAt) / 1000
}

/** Resident memory of the server's process in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const line = (await readFile(`/proc/${pid}/status`, 'utf8'))
    .split('\n')
    .find((text) => text.startsWith('VmRSS'))
  return Number(line!.replace(/\D/g, '')) * 1024
}

export const authorization = (server: TestServer) => ({ authorization: `Bearer ${server.adminKey}` })

/** A GET or POST of the REST API; answers ms until the whole body was read. */
export async function timed(server: TestServer, path: string, body?: unknown): Promise<number> {
  const startedAt = performance.now()
  const response = await fetch(`${server.http}/api/v1${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      ...authorization(server),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`)
  return performance.now() - startedAt
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
