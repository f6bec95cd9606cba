/** `npm run bench`: measures Drover on this machine, beside what is installed of its peers, and prints a table. */
import { writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { acknowledged } from './cases/acknowledged.ts'
import { engines } from './cases/engines.ts'
import { idle } from './cases/idle.ts'
import { queries } from './cases/queries.ts'
import { latency, sustained } from './cases/sustained.ts'
import { type Figure, table } from './figure.ts'

const usage = `Usage: npm run bench -- [--only CASE,…] [--quick] [--json FILE]
       npm run bench -- [--queue kafka|rabbitmq] [--store postgres|cassandra] [--quick] [--json FILE]

Cases: burst, one-in-flight, sustained, latency, idle, queries
--quick runs every case on a small scale, to see that it works; its figures mean little.

With --queue or --store, those servers are installed and started on this machine, and the way to the store is measured.

Example: npm run bench -- --only burst,latency --json figures.json`

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    queue: { type: 'string' },
    store: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

const scale = flags.quick
  ? {
      devices: 100,
      rounds: 1,
      burstMs: 1000,
      sustainedMs: 3000,
      idle: 100,
      points: 300_000,
      smallPoints: 100_000,
    }
  : {
      devices: 10_000,
      rounds: 3,
      burstMs: 10_000,
      sustainedMs: 60_000,
      idle: 5000,
      points: 100_000_000,
      smallPoints: 20_000_000,
    }

const load = { devices: scale.devices, durationMs: scale.burstMs, rounds: scale.rounds }
const embeddedCases: Readonly<Record<string, () => Promise<Figure[]>>> = {
  burst: () => acknowledged(50, 20, 3, load),
  'one-in-flight': () => acknowledged(Math.min(500, scale.devices), 1, 0.5, load),
  sustained: () => sustained({ devices: scale.devices, durationMs: scale.sustainedMs }),
  latency: () => latency({ devices: scale.devices, durationMs: scale.burstMs }),
  idle: () => idle({ connections: scale.idle }),
  queries: () => queries(scale),
}
const { queue = 'embedded', store = 'embedded' } = flags
const hasEngines = queue !== 'embedded' || store !== 'embedded'
const engineCases: typeof embeddedCases = {
  engines: () => engines({ queue, store, devices: scale.devices, durationMs: 2 * scale.burstMs }),
}

async function run(): Promise<void> {
  const cases = hasEngines ? engineCases : embeddedCases
  const names = flags.only?.split(',') ?? Object.keys(cases)
  const unknown = names.find((name) => !Object.hasOwn(cases, name))
  if (unknown !== undefined) throw new Error(`There is no case ${unknown}.\n${usage}`)
  const figures: Figure[] = []
  for (const name of names) {
    console.error(`${name} …`)
    figures.push(...(await cases[name]!()))
    console.error(table(figures.slice(-3)))
  }
  const machine = {
    cores: availableParallelism(),
    model: cpus()[0]?.model,
    memoryBytes: totalmem(),
    node: process.version,
  }
  if (flags.json)
    await writeFile(flags.json, `${JSON.stringify({ machine, at: new Date(), figures }, null, 2)}\n`)
  console.log(`${machine.cores} cores (${machine.model}), Node ${machine.node}\n\n${table(figures)}`)
}

if (flags.help) console.log(usage)
else await run()
