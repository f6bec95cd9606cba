import { readFileSync } from 'node:fs'
import { isDroverError } from '@drover/protocol'
import type { Client } from '@drover/sdk/client'
import { Command } from 'commander'
import { duration, positiveInteger, positiveNumber } from '../arguments.ts'
import { type Context, untilStopped } from '../context.ts'
import { formatJson } from '../format.ts'
import { mqttAddress } from '../mqtt-address.ts'
import { connectTo, type ServerOptions, withServer } from '../server.ts'
import { createFleet, type SimulatedDevice } from '../simulate/fleet.ts'
import { kinds } from '../simulate/kinds.ts'
import { Simulation } from '../simulate/simulation.ts'
import { createTokenSource, type TokenSource } from '../tokens.ts'

interface SimulateOptions extends ServerOptions {
  readonly devices: number
  readonly interval: number
  readonly backfill?: number
  readonly backfillInterval: number
  readonly duration?: number
  readonly seed: number
  readonly mqtt?: string
}

const example = `
Examples:
  drover simulate
  drover simulate --devices 200 --interval 5s --backfill 7
  drover simulate --backfill 30 --duration 0s

Of each twenty devices one is rogue (sends impossible values), one flapping (loses its connection), one stuck, one late
(sends batches out of order) and one drifting; they are tagged so.`

const dayMs = 86_400_000
const parallelBackfills = 4
const reportEveryMs = 30_000

export function simulateCommand(context: Context): Command {
  const command = new Command('simulate')
    .description('run a believable fleet of devices until Ctrl-C')
    .option('--devices <number>', 'devices', positiveInteger, 20)
    .option('--interval <duration>', 'between two readings of a device', duration, 10_000)
    .option('--backfill <days>', 'send the history of so many days first', positiveNumber)
    .option('--backfill-interval <duration>', 'between two readings of the history', duration, 60_000)
    .option('--duration <duration>', 'end after this (default: run until Ctrl-C)', duration)
    .option('--seed <number>', 'the same seed gives the same values', positiveInteger, 1)
    .option('--mqtt <url>', 'where the server takes MQTT (default: as the server says)')
    .addHelpText('after', example)
  return withServer(command).action((options: SimulateOptions) => simulate(options, context))
}

async function simulate(options: SimulateOptions, context: Context): Promise<void> {
  const client = connectTo(options)
  const mqttUrl = options.mqtt ?? (await mqttAddress(client, options.url))
  const fleet = createFleet(options.devices, options.seed)
  const { signal, stop, release } = untilStopped(context)
  const { tokens, byDevice } = await register(client, fleet)
  const simulation = new Simulation({
    mqttUrl,
    ca: options.ca === undefined ? undefined : readFileSync(options.ca),
    intervalMs: options.interval,
    tokenOf: ({ input }) => byDevice.get(input.id)!,
    signal,
    nowMs: Date.now,
    onFailure: (device, error) => context.stderr.write(`${device}: ${describe(error)}\n`),
  })
  try {
    await backfill(simulation, fleet, options, context, signal)
    const timer = options.duration === undefined ? undefined : setTimeout(stop, options.duration)
    if (options.duration !== 0 && !signal.aborted) await live(simulation, fleet, options, context)
    clearTimeout(timer)
  } finally {
    release()
    await tokens.release()
    report(simulation, options, context)
  }
}

/** Makes the profiles and devices that are not there yet. */
async function register(client: Client, fleet: readonly SimulatedDevice[]) {
  for (const { profile } of kinds)
    await client.profiles.create(profile).catch((error: unknown) => {
      if (!isDroverError(error, 'alreadyExists')) throw error
    })
  const tokens: TokenSource = createTokenSource(client, { create: true })
  const byDevice = new Map<string, string>()
  for (const { input } of fleet) byDevice.set(input.id, await tokens.tokenOf(input))
  return { tokens, byDevice }
}

async function backfill(
  simulation: Simulation,
  fleet: readonly SimulatedDevice[],
  options: SimulateOptions,
  { stderr }: Context,
  signal: AbortSignal,
): Promise<void> {
  if (options.backfill === undefined) return
  const fromMs = Date.now() - options.backfill * dayMs
  stderr.write(`Sending the history of ${options.backfill} days of ${fleet.length} devices …\n`)
  const left = [...fleet]
  const worker = async () => {
    for (let device = left.shift(); device && !signal.aborted; device = left.shift())
      await simulation.backfill(device, fromMs, options.backfillInterval)
  }
  await Promise.all(Array.from({ length: parallelBackfills }, worker))
  stderr.write(`History sent: ${simulation.counts.acknowledged} readings.\n`)
}

async function live(
  simulation: Simulation,
  fleet: readonly SimulatedDevice[],
  options: SimulateOptions,
  { stderr }: Context,
): Promise<void> {
  stderr.write(`${fleet.length} devices send every ${options.interval / 1000} s. Ctrl-C ends.\n`)
  const timer = setInterval(() => {
    stderr.write(`${simulation.counts.acknowledged} readings acknowledged\n`)
  }, reportEveryMs)
  await Promise.all(fleet.map((device, index) => simulation.live(device, index / fleet.length)))
  clearInterval(timer)
}

function report(simulation: Simulation, options: SimulateOptions, { stdout }: Context): void {
  const { readings, acknowledged, failed } = simulation.counts
  stdout.write(
    options.json
      ? formatJson(simulation.counts)
      : `Readings ${readings}, acknowledged ${acknowledged}, failed ${failed}.\n`,
  )
}

function describe(error: unknown): string {
  return isDroverError(error) ? `${error.code}: ${error.message}` : String(error)
}
