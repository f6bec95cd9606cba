import { startServer, type TestServer } from '../../tests/support/server.ts'
import { atLeast, type Figure, under } from '../figure.ts'
import { createFleet, type FleetDevice, fleetPlan } from '../fleet.ts'
import { runLoad } from '../load.ts'
import { authorization, drained, metric, quantile, residentBytes } from '../server.ts'

/** Messages a second that the sustained case offers: a little above the target of 600,000 points/s. */
const offeredRate = 205_000

/** Device → stored and queryable: offers a steady rate and watches that the backlog does not grow. */
export async function sustained(options: { devices: number; durationMs: number }): Promise<Figure[]> {
  await using server = await startServer()
  const fleet = await createFleet(server, options.devices)
  const stored = await metric(server, 'drover_points_stored_total')
  const lags: number[] = []
  const watch = setInterval(async () => lags.push(await metric(server, 'drover_queue_lag_records')), 1000)
  const plan = fleetPlan(server.mqtt, fleet, 50, {
    window: 20,
    durationMs: options.durationMs,
    rate: offeredRate,
  })
  const load = await runLoad(plan)
  clearInterval(watch)
  const drainSeconds = await drained(server, 120_000)
  const points = (await metric(server, 'drover_points_stored_total')) - stored
  const seconds = load.seconds + drainSeconds
  const half = Math.floor(lags.length / 2)
  return [
    atLeast('device → stored and queryable, 50 × 20, sustained', points / seconds, 'points/s', 600_000, {
      details: {
        'acknowledged/s': load.acknowledged / load.seconds,
        'backlog, first half (records)': quantile(lags.slice(0, half), 0.5),
        'backlog, second half': quantile(lags.slice(half), 0.5),
        'drained after (s)': drainSeconds,
        'resident (MB)': (await residentBytes(server.pid)) / 1e6,
      },
    }),
  ]
}

/** ms from sending a value until REST gives it as the latest. */
async function visibleAfter(server: TestServer, device: FleetDevice, sequence: number): Promise<number> {
  const startedAt = performance.now()
  const sent = await fetch(`${server.http}/api/v1/ingest/telemetry`, {
    method: 'POST',
    headers: { authorization: `Bearer ${device.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ probe: sequence }),
  })
  if (!sent.ok) throw new Error(`Ingest: ${sent.status} ${await sent.text()}`)
  for (;;) {
    const answer = await fetch(`${server.http}/api/v1/devices/${device.id}/latest`, {
      headers: authorization(server),
    })
    const latest = (await answer.json()) as { metrics: Record<string, { value: unknown }> }
    if (latest.metrics.probe?.value === sequence) return performance.now() - startedAt
    if (performance.now() - startedAt > 10_000) throw new Error('A value was not visible within 10 s')
  }
}

async function highestRate(devices: number): Promise<number> {
  await using server = await startServer()
  const fleet = await createFleet(server, devices)
  const { acknowledged, seconds } = await runLoad(
    fleetPlan(server.mqtt, fleet, 50, { window: 20, durationMs: 5_000 }),
  )
  return acknowledged / seconds
}

/** Acknowledgement latency, and sent → visible over REST, at a quarter of the highest rate of another server. */
export async function latency(options: { devices: number; durationMs: number }): Promise<Figure[]> {
  const rate = (await highestRate(options.devices)) / 4
  await using server = await startServer()
  const fleet = await createFleet(server, options.devices)
  const load = runLoad(
    fleetPlan(server.mqtt, fleet, 50, { window: 200, durationMs: options.durationMs, rate }),
  )
  let running = true
  void load.finally(() => {
    running = false
  })
  const visible: number[] = []
  const probe = fleet.at(-1)!
  for (let sequence = 1; running; sequence++) visible.push(await visibleAfter(server, probe, sequence))
  const { latency: acknowledgement } = await load
  const details = { 'offered (messages/s)': rate, p50: acknowledgement!.p50, max: acknowledgement!.max }
  return [
    under('acknowledgement latency at a quarter of the highest rate, p99', acknowledgement!.p99, 'ms', 15, {
      details,
    }),
    under('sent → visible over REST at that load, p50', quantile(visible, 0.5), 'ms', 100, {
      details: { probes: visible.length },
    }),
    under('sent → visible over REST at that load, p99', quantile(visible, 0.99), 'ms', 500),
  ]
}
