/**
 * The server is killed with SIGKILL at random instants while devices send in every way that promises exactly once, and is
 * started again on the same data directory. Afterwards all that was acknowledged is there, once and unaltered.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom } from '../support/random.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { eventually } from '../support/wait.ts'
import { ExactlyOnceSender, HttpSender, type Place, type Sender, TimedSender } from './senders.ts'

const kills = Number(process.env.DROVER_FAULT_ROUNDS ?? 3)
const seed = Number(process.env.DROVER_FAULT_SEED ?? Date.now() % 1_000_000)
/** Between the start of a server and its end. */
const lifeMsMin = 100
const lifeMsMax = 1_500
/**
 * Few, so that the hot table is rotated and segments are merged several times a second; or so many that all is read
 * again from the log.
 */
const hotPointsMax = [5_000, 100_000, 3_000_000] as const

describe(`${kills} kills at random instants (DROVER_FAULT_SEED=${seed})`, () => {
  const random = createRandom(seed)
  const place: Place = { current: null }
  const senders: Sender[] = []
  const ending = new AbortController()
  let dataDirectory: string
  let server: TestServer

  before(run, { timeout: 60_000 + kills * 10_000 })

  after(async () => {
    ending.abort()
    await server?.remove()
    await rm(dataDirectory, { recursive: true, force: true })
  })

  async function run(): Promise<void> {
    dataDirectory = await mkdtemp(join(tmpdir(), 'drover-kill-'))
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
    await everythingIsStored()
  }

  /** On the ports of the server before, so that clients find it again. */
  async function start(earlier?: TestServer): Promise<TestServer> {
    const port = (url: string | undefined) => (url === undefined ? '0' : new URL(url).port)
    const started = await startServer({
      dataDirectory,
      flags: [
        ...['--hot-points-max', String(random.pick(hotPointsMax))],
        ...['--http', `127.0.0.1:${port(earlier?.http)}`],
        ...['--mqtt', `127.0.0.1:${port(earlier?.mqtt)}`],
      ],
    })
    place.current = started
    return started
  }

  async function addSenders(): Promise<void> {
    const options = async (device: string) => {
      const { token } = await server.client.devices.create({ id: device })
      return { device, token, place, signal: ending.signal }
    }
    for (const persistent of [true, true, true, false])
      senders.push(
        new TimedSender({
          ...(await options(`timed-${senders.length}`)),
          persistent,
          random: createRandom(seed),
        }),
      )
    for (const name of ['exactly-once-1', 'exactly-once-2'])
      senders.push(new ExactlyOnceSender(await options(name)))
    senders.push(new HttpSender(await options('http')))
  }

  /** The log has one order for all: what a device sends now is stored after all that was acknowledged before. */
  async function everythingIsStored(): Promise<void> {
    const { token } = await server.client.devices.create({ id: 'last' })
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    await fetch(`${server.http}/api/v1/ingest/telemetry`, { method: 'POST', headers, body: '{"n":1}' })
    await eventually(async () => 'n' in (await server.client.devices.latest('last')).metrics, {
      deadlineMs: 60_000,
      everyMs: 100,
    })
  }

  test('devices sent at full speed all the while', (t) => {
    for (const { device, sent, acknowledged } of senders) {
      t.diagnostic(`${device}: ${acknowledged} of ${sent} acknowledged`)
      assert.ok(acknowledged > 20 * kills, `${device} had only ${acknowledged} acknowledged`)
    }
  })

  for (const [name, kind] of [
    ['QoS 1 with a time: all that was acknowledged is there once, unaltered', TimedSender],
    ['QoS 2 without a time: each number is there once', ExactlyOnceSender],
    ['HTTP with an Idempotency-Key, without a time: each number is there once', HttpSender],
  ] as const)
    test(name, async () => {
      for (const sender of senders) if (sender instanceof kind) await sender.check(server.client)
    })
})
