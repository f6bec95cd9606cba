/**
 * Made-up measurements with the oddities of real ones: gaps, missing and repeated values, text and truth values, two
 * time zones across a change of the clock, late and out-of-order rows, corrections of what was sent, impossible values.
 * They go in by MQTT and HTTP, and what REST gives is compared with what the generator knows.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { ProfileInput } from '@drover/protocol'
import { eachItem } from '@drover/sdk/client'
import { drover, droverJson } from '../support/drover.ts'
import { assertBuckets, assertPoints, Expectation, type Value } from '../support/expectation.ts'
import { createRandom } from '../support/random.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { eventually } from '../support/wait.ts'

const seed = 4711
const minuteMs = 60_000
/** Summer time begins in Berlin on 2025-03-30. */
const start = Date.UTC(2025, 2, 26)
const days = 8
const stepMs = 5 * minuteMs

const profile: ProfileInput = {
  id: 'plant',
  unknownMetrics: 'quarantine',
  metrics: {
    temperature: { unit: 'Cel', min: -40, max: 120 },
    pressure: { unit: 'hPa', min: 300, max: 1100 },
    count: { type: 'integer', min: 0 },
    running: { type: 'boolean' },
    mode: { type: 'string' },
  },
}
const metrics = Object.keys(profile.metrics!)

const sites = [
  { device: 'plant.berlin', zone: 'Europe/Berlin' },
  { device: 'plant:shanghai', zone: 'Asia/Shanghai' },
] as const
type Site = (typeof sites)[number]

interface Row {
  readonly device: string
  readonly timeMs: number
  readonly cells: Readonly<Record<string, Value | undefined>>
}

const random = createRandom(seed)

/** What a clock on the wall of the zone shows, as `2026-03-25 08:00:00`. */
function wallClock(timeMs: number, zone: string): string {
  return new Date(timeMs).toLocaleString('sv-SE', { timeZone: zone })
}

function measure(timeMs: number): Row['cells'] {
  const temperature = 20 + 8 * Math.sin(timeMs / 13_000_000) + random.next()
  const all: Record<string, Value> = {
    temperature: Math.round(temperature * 100) / 100,
    pressure: Math.round(10_000 + random.next() * 500) / 10,
    count: random.integer(1_000_000),
    running: random.next() < 0.8,
    mode: random.pick(['auto', 'manual', '007', 'Störung; "E-12", Tür']),
  }
  return Object.fromEntries(Object.entries(all).filter(() => random.next() > 0.05))
}

/** Rows in the order of time, with gaps of single rows and of hours, and some times twice. */
function generate({ device }: Site): Row[] {
  const rows: Row[] = []
  for (let timeMs = start; timeMs < start + days * 24 * 60 * minuteMs; timeMs += stepMs) {
    if (random.next() < 0.002) timeMs += random.integer(5 * 60) * minuteMs
    if (random.next() < 0.02) continue
    rows.push({ device, timeMs, cells: measure(timeMs) })
    if (random.next() < 0.01) rows.push({ device, timeMs, cells: measure(timeMs) })
  }
  return rows
}

/** Rows of a batch that arrives hours later, and neighbours that overtook each other. */
function disorder(rows: readonly Row[]): Row[] {
  const disordered: Row[] = []
  const late: Row[] = []
  for (let at = 0; at < rows.length; at += 12) {
    const part = rows.slice(at, at + 12)
    if (random.next() < 0.1) late.push(...part)
    else disordered.push(...(random.next() < 0.2 ? random.shuffle(part) : part))
    if (late.length > 0 && random.next() < 0.1) disordered.push(...random.shuffle(late.splice(0)))
  }
  return [...disordered, ...late]
}

function toCsv(rows: readonly Row[], zone: string): string {
  const quote = (value: Value | undefined) =>
    value === undefined ? 'NA' : `"${String(value).replaceAll('"', '""')}"`
  const lines = rows.map(
    ({ device, timeMs, cells }) =>
      `${wallClock(timeMs, zone)},${device},${metrics.map((metric) => quote(cells[metric])).join(',')}`,
  )
  return `time,device,${metrics.join(',')}\n${lines.join('\n')}\n`
}

function expectRows(expectation: Expectation, rows: readonly Row[]): void {
  for (const { device, timeMs, cells } of rows)
    for (const [metric, value] of Object.entries(cells))
      if (value !== undefined) expectation.set(device, metric, timeMs, value)
}

describe('simulated measurements', () => {
  const expectation = new Expectation()
  const rowsOf = new Map(sites.map((site) => [site, disorder(generate(site))]))
  let server: TestServer
  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drover-simulated-'))
    server = await startServer()
    await server.client.profiles.create(profile)
  })
  after(async () => {
    await server?.remove()
    await rm(folder, { recursive: true })
  })

  async function replay(rows: readonly Row[], { zone }: Site, ...args: string[]): Promise<void> {
    const file = join(folder, 'rows.csv')
    await writeFile(file, toCsv(rows, zone))
    const columns = ['--device', 'device', '--time', 'time', '--time-zone', zone, '--strings', 'mode']
    const all = ['replay', file, '--create', '--profile', profile.id, ...columns, ...args]
    const counts = await droverJson<{ messagesSent: number; messagesAcknowledged: number }>(all, server)
    assert.ok(counts.messagesSent > 0)
    assert.equal(counts.messagesAcknowledged, counts.messagesSent)
    expectRows(expectation, rows)
  }

  test('takes one site by MQTT, row by row', () => replay(rowsOf.get(sites[0])!, sites[0]))
  test('takes the other by HTTP, in batches', () =>
    replay(rowsOf.get(sites[1])!, sites[1], '--http', '--batch', '50', '--window', '8'))
  test('holds exactly what was sent, the last of repeated times', () =>
    assertPoints(server.client, expectation))

  test('takes corrections and rows from before all others', async () => {
    const corrections = random
      .shuffle(rowsOf.get(sites[0])!)
      .slice(0, 300)
      .map((row) => ({ ...row, cells: measure(row.timeMs) }))
    const earlier = Array.from({ length: 300 }, (_, index) => {
      const timeMs = start - (index + 1) * 7 * minuteMs
      return { device: sites[0].device, timeMs, cells: measure(timeMs) }
    })
    await replay(random.shuffle([...corrections, ...earlier]), sites[0], '--qos', '2')
    await eventually(() => assertPoints(server.client, expectation).then(() => true))
  })

  test('tells the latest values by their own time, not by their arrival', async () => {
    for (const { device } of sites) {
      const { metrics: latest } = await server.client.devices.latest(device)
      for (const series of expectation.series()) {
        if (series.device !== device) continue
        const [time, value] = series.points.at(-1)!
        assert.deepEqual(
          [Date.parse(latest[series.metric]!.time), latest[series.metric]!.value],
          [time, value],
        )
      }
    }
  })

  test('aggregates by hour and by day', async () => {
    assert.ok((await assertBuckets(server.client, expectation, '1h')) > 1000)
    assert.ok((await assertBuckets(server.client, expectation, '1d')) > 30)
  })

  test('quarantines what cannot be, and nothing else', async () => {
    const bad: { row: Row; reason: string; metric: string }[] = [
      [{ temperature: -273.15 }, 'outOfRange', 'temperature'],
      [{ temperature: 'ERR' }, 'typeMismatch', 'temperature'],
      [{ count: 1.5 }, 'typeMismatch', 'count'],
      [{ mode: 12 }, 'typeMismatch', 'mode'],
      [{ humidity: 50 }, 'metricUnknown', 'humidity'],
    ].map(([cells, reason, metric], index) => ({
      row: { device: 'plant.berlin', timeMs: start + index * stepMs, cells: cells as Row['cells'] },
      reason: reason as string,
      metric: metric as string,
    }))
    const { token } = await server.client.devices.createToken('plant.berlin')
    for (const { row } of bad) {
      const response = await fetch(`${server.http}/api/v1/ingest/telemetry`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ ts: row.timeMs, values: row.cells }),
      })
      assert.equal(response.status, 202)
    }
    const entries = await eventually(async () => {
      const found: { reason: string; metric: string | null }[] = []
      for await (const { reason, metric } of eachItem((cursor) => server.client.quarantine.list({ cursor })))
        found.push({ reason, metric })
      return found.length >= bad.length && found
    })
    const text = (one: { reason: string; metric: string | null }) => `${one.reason} ${one.metric}`
    assert.deepEqual(entries.map(text).sort(), bad.map(text).sort())
    await assertPoints(server.client, expectation)
  })

  test('gives the same to `drover telemetry` as CSV', async () => {
    const [series] = [...expectation.series()].filter(({ metric }) => metric === 'mode')
    const { device, metric, points } = series!
    const { stdout } = await drover(
      ['telemetry', device, metric, '--from', '2000-01-01T00:00:00Z', '--format', 'csv'],
      server,
    )
    const lines = points.map(([time, value]) => {
      const text = String(value)
      const quoted = /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
      return `${metric},${new Date(time).toISOString()},${quoted},good`
    })
    const normal = stdout.replaceAll(/(\d\d:\d\d:\d\d)(\.\d+)?Z/g, '$1.000Z')
    assert.equal(normal, `metric,time,value,quality\n${lines.join('\n')}\n`)
  })
})
