import { startServer } from '../../tests/support/server.ts'
import { startCassandra } from '../../tests/support/services/cassandra.ts'
import { startKafka } from '../../tests/support/services/kafka.ts'
import { startPostgres } from '../../tests/support/services/postgres.ts'
import { startRabbitmq } from '../../tests/support/services/rabbitmq.ts'
import type { Service } from '../../tests/support/services/service.ts'
import { atLeast, type Figure } from '../figure.ts'
import { createFleet, fleetPlan } from '../fleet.ts'
import { runLoad } from '../load.ts'
import { drained, metric } from '../server.ts'

const starters: Readonly<Record<string, (() => Promise<Service>) | undefined>> = {
  kafka: () => startKafka(),
  rabbitmq: () => startRabbitmq(),
  postgres: () => startPostgres(),
  cassandra: () => startCassandra(),
}

/** What a server's address lacks of a setting. */
const places: Readonly<Record<string, string>> = {
  cassandra: '/drover?datacenter=datacenter1&replication=1',
}

/** Points a second that each pair has to store at least. */
const floors: Readonly<Record<string, number>> = {
  'kafka postgres': 50_000,
  'rabbitmq postgres': 25_000,
  'kafka cassandra': 20_000,
}

/** Device → stored and queryable on engines of their own, all on this machine: as much as is acknowledged, then the rest. */
export async function engines(options: {
  queue: string
  store: string
  devices: number
  durationMs: number
}): Promise<Figure[]> {
  const { queue, store, devices, durationMs } = options
  await using stack = new AsyncDisposableStack()
  const flags: string[] = []
  for (const [setting, name] of Object.entries({ queue, store })) {
    if (name === 'embedded') continue
    const start = starters[name]
    if (!start)
      throw new Error(
        `There is no ${setting} ${name}. Choose of: embedded, ${Object.keys(starters).join(', ')}`,
      )
    flags.push(`--${setting}`, `${stack.use(await start()).url}${places[name] ?? ''}`)
  }
  const server = stack.use(await startServer({ flags }))
  const fleet = await createFleet(server, devices)
  const before = await metric(server, 'drover_points_stored_total')
  const load = await runLoad(fleetPlan(server.mqtt, fleet, Math.min(50, devices), { window: 20, durationMs }))
  const drainSeconds = await drained(server, 600_000)
  const points = (await metric(server, 'drover_points_stored_total')) - before
  const name = `device → stored and queryable, ${queue} + ${store}`
  const rate = points / (load.seconds + drainSeconds)
  return [
    atLeast(name, rate, 'points/s', floors[`${queue} ${store}`] ?? 0, {
      details: { 'acknowledged/s': load.acknowledged / load.seconds, 'drained after (s)': drainSeconds },
    }),
  ]
}
