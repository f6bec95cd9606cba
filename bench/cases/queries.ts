import { openPublisher } from '../../tests/support/publisher.ts'
import { startServer, type TestServer } from '../../tests/support/server.ts'
import { eventually } from '../../tests/support/wait.ts'
import { type Figure, under } from '../figure.ts'
import { createFleet, type FleetDevice, fleetPlan } from '../fleet.ts'
import { runLoad } from '../load.ts'
import { drained, metric, quantile, timed } from '../server.ts'

const metrics = ['temperature', 'humidity', 'pressure']
const firstTime = Date.UTC(2025, 0, 1)
const stepMs = 3_600_000
/** Times in one message: an array of readings, as a device sends after a while without a link. */
const timesPerMessage = 100

/** Times `from` to `to` of one device, an hour apart: a daily curve with noise, to one decimal. */
function history(device: number, from: number, to: number): Buffer {
  const readings: string[] = []
  for (let i = from; i < to; i++) {
    const daily = Math.sin(((i % 24) / 24) * 2 * Math.PI)
    const noise = ((device * 7919 + i * 104_729) % 97) / 97
    const values = [20 + 5 * daily + noise, 55 - 10 * daily + 3 * noise, 1013 + 2 * noise]
    const fields = metrics.map((name, at) => `"${name}":${values[at]!.toFixed(1)}`)
    readings.push(`{"ts":${firstTime + i * stepMs},"values":{${fields.join(',')}}}`)
  }
  return Buffer.from(`[${readings.join(',')}]`)
}

/** Sends the history of the whole fleet from time `from` to `to` over a few connections at a time. */
async function backfill(
  server: TestServer,
  fleet: readonly FleetDevice[],
  from: number,
  to: number,
): Promise<void> {
  let next = 0
  const worker = async () => {
    for (let at = next++; at < fleet.length; at = next++) {
      const { id, token } = fleet[at]!
      const publisher = await openPublisher({
        url: server.mqtt,
        device: id,
        token,
        window: 8,
        next: (sequence) => {
          const first = from + sequence * timesPerMessage
          return first >= to ? undefined : history(at, first, Math.min(to, first + timesPerMessage))
        },
      })
      await publisher.drained()
      await publisher.end()
      if (at % 1000 === 999)
        console.error(
          `  ${(at + 1).toLocaleString('en')} of ${fleet.length.toLocaleString('en')} devices sent`,
        )
    }
  }
  await Promise.all(Array.from({ length: 8 }, worker))
  await drained(server, 600_000)
}

/** Merging has nothing more to do when the number of segments stays the same for a while. */
async function settled(server: TestServer): Promise<void> {
  let last = -1
  let sameFor = 0
  await eventually(
    async () => {
      const now = await metric(server, 'drover_store_segments')
      sameFor = now === last ? sameFor + 1 : 0
      last = now
      return sameFor >= 10
    },
    { deadlineMs: 600_000, everyMs: 500 },
  )
}

async function repeat(count: number, once: (turn: number) => Promise<number>): Promise<number[]> {
  const times: number[] = []
  for (let turn = 0; turn < count; turn++) times.push(await once(turn))
  return times
}

const span = (times: number) => {
  const iso = (ms: number) => encodeURIComponent(new Date(ms).toISOString())
  return `from=${iso(firstTime)}&to=${iso(firstTime + times * stepMs)}`
}

export async function queries(options: {
  devices: number
  points: number
  smallPoints: number
}): Promise<Figure[]> {
  await using server = await startServer()
  const fleet = await createFleet(server, options.devices)
  const timesOf = (points: number) => Math.ceil(points / options.devices / metrics.length)
  const small = timesOf(options.smallPoints)
  const large = timesOf(options.points)

  await backfill(server, fleet, 0, small)
  await settled(server)
  const range = { from: firstTime, to: firstTime + small * stepMs, every: '1d', fn: ['avg', 'max'] }
  const byDay = await repeat(10, () =>
    timed(server, '/telemetry/query', {
      profile: 'default',
      metrics: ['temperature'],
      group: 'all',
      ...range,
    }),
  )

  await backfill(server, fleet, small, large)
  await settled(server)
  const compacted = await metric(server, 'drover_store_points')
  const bytes = await metric(server, 'drover_store_segment_bytes')
  const load = runLoad(fleetPlan(server.mqtt, fleet, 50, { window: 20, durationMs: 20_000, rate: 20_000 }))
  const byHour = await repeat(50, (turn) => {
    const { id } = fleet[(turn * 199 + 7) % fleet.length]!
    return timed(server, `/devices/${id}/telemetry?metric=temperature&every=1h&fn=avg,min,max&${span(large)}`)
  })
  await load
  const ids = fleet.slice(0, 1000).map(({ id }) => id)
  const latest = await repeat(20, () => timed(server, '/telemetry/latest', { devices: ids }))
  return [
    under(
      `one metric of one device by the hour, of ${compacted.toLocaleString('en')} points, while hot fills`,
      quantile(byHour, 0.5),
      'ms',
      15,
      {
        details: { p95: quantile(byHour, 0.95), buckets: large, 'bytes a point': bytes / compacted },
      },
    ),
    under('latest values of 1,000 devices with three metrics', quantile(latest, 0.5), 'ms', 10),
    under(
      `one metric of the whole fleet by the day, ${(small * options.devices * metrics.length).toLocaleString('en')} points`,
      quantile(byDay, 0.5),
      'ms',
      100,
    ),
  ]
}
