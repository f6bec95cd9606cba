import type { TestServer } from '../tests/support/server.ts'
import type { LoadPlan } from './load.ts'

export interface FleetDevice {
  readonly id: string
  readonly token: string
}

/** Creates devices `bench-00000` … through the import. */
export async function createFleet(server: TestServer, count: number): Promise<FleetDevice[]> {
  const fleet: FleetDevice[] = []
  for (let from = 0; from < count; from += 10_000) {
    const size = Math.min(10_000, count - from)
    const rows = Array.from({ length: size }, (_, i) => `bench-${String(from + i).padStart(5, '0')}`)
    const response = await fetch(`${server.http}/api/v1/imports/devices`, {
      method: 'POST',
      headers: { authorization: `Bearer ${server.adminKey}`, 'content-type': 'text/csv' },
      body: `id\n${rows.join('\n')}\n`,
    })
    if (!response.ok) throw new Error(`Import: ${response.status} ${await response.text()}`)
    fleet.push(...((await response.json()) as { devices: FleetDevice[] }).devices)
  }
  return fleet
}

/** Three metrics a message, as the tables say. */
export const payload = '{"temperature":21.45,"humidity":55.31,"pressure":1013.25}'

/** A plan in which the first `connections` devices send to themselves. */
export function fleetPlan(
  mqttUrl: string,
  fleet: readonly FleetDevice[],
  connections: number,
  rest: Pick<LoadPlan, 'window' | 'durationMs' | 'rate'>,
): LoadPlan {
  const { hostname, port } = new URL(mqttUrl)
  const clients = fleet
    .slice(0, connections)
    .map(({ id, token }) => ({ clientId: id, username: id, password: token }))
  return { host: hostname, port: Number(port), clients, topic: 'me/telemetry', payload, ...rest }
}

/** The same load for a server that knows no devices. */
export function anonymousPlan(
  port: number,
  connections: number,
  rest: Pick<LoadPlan, 'window' | 'durationMs' | 'rate'>,
): LoadPlan {
  const clients = Array.from({ length: connections }, (_, i) => ({
    clientId: `c${i}`,
    username: '',
    password: '',
  }))
  return { host: '127.0.0.1', port, clients, topic: 'me/telemetry', payload, ...rest }
}
