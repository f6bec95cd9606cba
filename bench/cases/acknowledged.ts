import { startServer } from '../../tests/support/server.ts'
import { atLeast, type Figure } from '../figure.ts'
import { anonymousPlan, createFleet, fleetPlan } from '../fleet.ts'
import { type LoadResult, runLoad } from '../load.ts'
import { startMosquitto } from '../peers.ts'
import { drained } from '../server.ts'

const perSecond = ({ acknowledged, seconds }: LoadResult) => acknowledged / seconds

async function mosquitto(
  connections: number,
  window: number,
  durationMs: number,
): Promise<number | undefined> {
  const peer = await startMosquitto()
  if (!peer) return undefined
  try {
    return perSecond(await runLoad(anonymousPlan(peer.port, connections, { window, durationMs })))
  } finally {
    await peer.stop()
  }
}

async function drover(devices: number, connections: number, window: number, durationMs: number) {
  await using server = await startServer()
  const fleet = await createFleet(server, devices)
  const result = await runLoad(fleetPlan(server.mqtt, fleet, connections, { window, durationMs }))
  return { rate: perSecond(result), drainSeconds: await drained(server, 120_000) }
}

/** QoS 1 messages acknowledged a second, Mosquitto and Drover in turn, three times; the ratio of the medians counts. */
export async function acknowledged(
  connections: number,
  window: number,
  ratioMin: number,
  { devices, durationMs, rounds }: { devices: number; durationMs: number; rounds: number },
): Promise<Figure[]> {
  const ours: number[] = []
  const theirs: number[] = []
  let drainSeconds = 0
  for (let round = 0; round < rounds; round++) {
    const peer = await mosquitto(connections, window, durationMs)
    if (peer !== undefined) theirs.push(peer)
    const own = await drover(devices, connections, window, durationMs)
    ours.push(own.rate)
    drainSeconds = Math.max(drainSeconds, own.drainSeconds)
  }
  const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
  const name = `QoS 1 acknowledged, ${connections} connections × ${window} in flight`
  const details = { 'drained after (s)': drainSeconds, 'slowest round': Math.min(...ours) }
  if (theirs.length === 0)
    return [
      {
        name,
        value: median(ours),
        unit: 'messages/s',
        target: 'Mosquitto is not installed',
        met: null,
        details,
      },
    ]
  const figure = atLeast(name, median(ours), 'messages/s', ratioMin * median(theirs), { details })
  const ratio = median(ours) / median(theirs)
  return [{ ...figure, details: { ...details, Mosquitto: median(theirs), ratio } }]
}
