import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ExactlyOnceSender, HttpSender, type Place, type Sender, TimedSender } from '../faults/senders.ts'
import { createRandom } from '../support/random.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { Service } from '../support/services/service.ts'
import { eventually } from '../support/wait.ts'

/** The real servers that Drover runs on, and the flags by which it finds them. */
export interface Engines {
  readonly services: readonly Service[]
  readonly flags: readonly string[]
}

const kills = Number(process.env.DROVER_FAULT_ROUNDS ?? 3)
const seed = Number(process.env.DROVER_FAULT_SEED ?? Date.now() % 1_000_000)
/** Between the start of a server and its end. */
const lifeMsMin = 500
const lifeMsMax = 2_500

/**
 * Drover in one process on these engines is killed with SIGKILL at random instants while devices send in every way that
 * promises exactly once. Afterwards all that was acknowledged is there, once and unaltered.
 */
export function exactlyOnceContract(name: string, startEngines: () => Promise<Engines>): void {
  describe(`${name}, ${kills} kills at random instants (DROVER_FAULT_SEED=${seed})`, () => {
    const random = createRandom(seed)
    const place: Place = { current: null }
    const senders: Sender[] = []
    const ending = new AbortController()
    let engines: Engines | undefined
    let dataDirectory: string
    let server: TestServer

    before(run, { timeout: 240_000 + kills * 20_000 })

    after(async () => {
      ending.abort()
      await server?.remove()
      for (const service of engines?.services ?? []) await service[Symbol.asyncDispose]()
      await rm(dataDirectory, { recursive: true, force: true })
    })

    async function run(): Promise<void> {
      dataDirectory = await mkdtemp(join(tmpdir(), 'drover-engines-'))
      engines = await startEngines()
      server = await start()
      await addSenders()
      for (const sender of senders) sender.start()
      for (let kill = 0; kill < kills; kill++) {
        await sleep(lifeMsMin + random.integer(lifeMsMax - lifeMsMin))
        place.current = null
        await server.kill()
        server = await start(server)
      }
      await Promise.all(senders.map((sender) => sender.stop()))
    }

    /** On the ports of the server before, so that clients find it again. */
    async function start(earlier?: TestServer): Promise<TestServer> {
      const port = (url: string | undefined) => (url === undefined ? '0' : new URL(url).port)
      const listeners = [
        ...['--http', `127.0.0.1:${port(earlier?.http)}`],
        ...['--mqtt', `127.0.0.1:${port(earlier?.mqtt)}`],
      ]
      const started = await startServer({ dataDirectory, flags: [...engines!.flags, ...listeners] })
      place.current = started
      return started
    }

    async function addSenders(): Promise<void> {
      const options = async (device: string) => {
        const { token } = await server.client.devices.create({ id: device })
        return { device, token, place, signal: ending.signal }
      }
      for (const persistent of [true, true, false]) {
        const timed = await options(`timed-${senders.length}`)
        senders.push(new TimedSender({ ...timed, persistent, random: createRandom(seed) }))
      }
      senders.push(new ExactlyOnceSender(await options('exactly-once')))
      senders.push(new HttpSender(await options('http')))
    }

    test('devices sent all the while', (t) => {
      for (const { device, sent, acknowledged } of senders) {
        t.diagnostic(`${device}: ${acknowledged} of ${sent} acknowledged`)
        assert.ok(acknowledged > 0, `${device} had none acknowledged`)
      }
    })

    // Records of different devices may be stored in any order, so that nothing tells when the last one is.
    for (const [what, kind] of [
      ['QoS 1 with a time: all that was acknowledged is there once, unaltered', TimedSender],
      ['QoS 2 without a time: each number is there once', ExactlyOnceSender],
      ['HTTP with an Idempotency-Key, without a time: each number is there once', HttpSender],
    ] as const)
      test(what, async () => {
        for (const sender of senders)
          if (sender instanceof kind)
            await eventually(() => sender.check(server.client).then(() => true), {
              deadlineMs: 60_000,
              everyMs: 500,
            })
      })
  })
}
