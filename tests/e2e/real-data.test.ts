/**
 * Real measurements through the front door: four air-quality stations and a machine are replayed over MQTT, and what
 * REST gives is compared with what is computed from the files here, by other code.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import type { ProfileInput } from '@drover/protocol'
import { eachItem } from '@drover/sdk/client'
import { drover, droverJson } from '../support/drover.ts'
import { assertBuckets, assertPoints, Expectation, type Value } from '../support/expectation.ts'
import { createRandom, type Random } from '../support/random.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { eventually } from '../support/wait.ts'

const dataFolder = join(import.meta.dirname, '..', '..', '..', 'shared', 'data')
const skip = existsSync(dataFolder) ? false : `left out: the measurements are not at ${dataFolder}`
const seed = 20_261_122

const stations = ['Aotizhongxin', 'Dingling', 'Huairou', 'Tiantan']
const beijingOffsetMs = 8 * 3_600_000
const impossiblePerDevice = 150

const airProfile: ProfileInput = {
  id: 'air-quality',
  description: 'Air quality and weather, hourly',
  unknownMetrics: 'quarantine',
  metrics: {
    'PM2.5': { unit: 'ug/m3', min: 0, max: 2000 },
    PM10: { unit: 'ug/m3', min: 0, max: 2000 },
    SO2: { unit: 'ug/m3', min: 0, max: 2000 },
    NO2: { unit: 'ug/m3', min: 0, max: 2000 },
    CO: { unit: 'ug/m3', min: 0, max: 50_000 },
    O3: { unit: 'ug/m3', min: 0, max: 2000 },
    TEMP: { unit: 'Cel', min: -60, max: 60, ratePerSecondMax: 0.05 },
    PRES: { unit: 'hPa', min: 850, max: 1100 },
    DEWP: { unit: 'Cel', min: -80, max: 60 },
    RAIN: { unit: 'mm', min: 0, max: 500 },
    wd: { type: 'string' },
    WSPM: { unit: 'm/s', min: 0, max: 100 },
  },
}
const machineProfile: ProfileInput = {
  id: 'machine',
  description: 'Temperature of a large machine',
  metrics: { value: { unit: '[degF]', min: -100, max: 300 } },
}
const impossibleValues: Readonly<Record<string, readonly number[]>> = {
  TEMP: [-273.15, 850],
  'PM2.5': [-1, 65_535],
  PRES: [0, 9999],
  WSPM: [-0.1, 1e6],
  value: [-459.67, 1e9],
}

interface Impossible {
  readonly device: string
  readonly metric: string
  readonly value: number
  readonly timeMs: number
}

/** Rows of a file that has no quoted commas, which holds for these. */
async function readRows(file: string): Promise<{ header: string[]; rows: string[][] }> {
  const text = gunzipSync(await readFile(join(dataFolder, file))).toString()
  const [header, ...rows] = text
    .trim()
    .split('\n')
    .map((line) =>
      line
        .trim()
        .split(',')
        .map((cell) => cell.replace(/^"|"$/g, '')),
    )
  return { header: header!, rows }
}

/** Lines with a value that cannot be, right behind the true ones of the same time. */
function plantImpossible(
  header: readonly string[],
  rows: readonly string[][],
  keep: readonly string[],
  random: Random,
  place: (row: readonly string[]) => { device: string; timeMs: number },
): { lines: string[]; planted: Impossible[] } {
  const chosen = new Set<number>()
  while (chosen.size < impossiblePerDevice) chosen.add(random.integer(rows.length))
  const candidates = Object.keys(impossibleValues).filter((metric) => header.includes(metric))
  const planted: Impossible[] = []
  const lines = rows.flatMap((row, index) => {
    if (!chosen.has(index)) return [row.join(',')]
    const metric = random.pick(candidates)
    const value = random.pick(impossibleValues[metric]!)
    planted.push({ ...place(row), metric, value })
    const line = row.map((cell, column) =>
      header[column] === metric ? String(value) : keep.includes(header[column]!) ? cell : 'NA',
    )
    return [row.join(','), line.join(',')]
  })
  return { lines: [header.join(','), ...lines], planted }
}

const stationKeyColumns = ['No', 'year', 'month', 'day', 'hour', 'station']

function stationTime(row: readonly string[]): number {
  const [, year, month, day, hour] = row.map(Number)
  return Date.UTC(year!, month! - 1, day, hour) - beijingOffsetMs
}

function expectStation(expectation: Expectation, header: readonly string[], rows: readonly string[][]): void {
  for (const row of rows) {
    const timeMs = stationTime(row)
    for (const [column, metric] of header.entries()) {
      const cell = row[column]!.trim()
      if (stationKeyColumns.includes(metric) || cell === 'NA' || cell === '') continue
      const value: Value = metric === 'wd' ? cell : Number(cell)
      expectation.set(row.at(-1)!, metric, timeMs, value)
    }
  }
}

interface ReplayCounts {
  readonly rows: number
  readonly values: number
  readonly messagesSent: number
  readonly messagesAcknowledged: number
  readonly seconds: number
}

describe('real measurements', { skip }, () => {
  const expectation = new Expectation()
  const random = createRandom(seed)
  const planted: Impossible[] = []
  let server: TestServer
  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drover-real-'))
    server = await startServer()
    for (const profile of [airProfile, machineProfile]) {
      const file = join(folder, `${profile.id}.json`)
      await writeFile(file, JSON.stringify(profile))
      assert.equal((await drover(['profiles', 'apply', file], server)).code, 0)
    }
  })
  after(async () => {
    await server?.remove()
    await rm(folder, { recursive: true })
  })

  async function replay(lines: readonly string[], args: readonly string[]): Promise<ReplayCounts> {
    const file = join(folder, 'replay.csv')
    await writeFile(file, `${lines.join('\n')}\n`)
    return droverJson<ReplayCounts>(['replay', file, '--create', ...args], server)
  }

  for (const station of stations)
    test(`replays the station ${station} from the clock of Beijing`, async (t) => {
      const { header, rows } = await readRows(`beijing_air_${station}.csv.gz`)
      assert.equal(rows.length, 35_064)
      expectStation(expectation, header, rows)
      const place = (row: readonly string[]) => ({ device: station, timeMs: stationTime(row) })
      const file = plantImpossible(header, rows, stationKeyColumns, random, place)
      planted.push(...file.planted)
      const counts = await replay(file.lines, [
        ...['--device', 'station', '--time-parts', 'year,month,day,hour', '--time-zone', '+08:00'],
        ...['--except', 'No', '--strings', 'wd', '--profile', airProfile.id],
      ])
      assert.equal(counts.messagesAcknowledged, counts.messagesSent)
      t.diagnostic(
        `${counts.messagesAcknowledged} messages, ${counts.values} values, ${counts.seconds.toFixed(1)} s`,
      )
    })

  test('replays the machine, of whose repeated times the last value wins', async (t) => {
    const { header, rows } = await readRows('nab_machine_temperature_system_failure.csv.gz')
    assert.equal(rows.length, 22_695)
    const timeOf = (row: readonly string[]) => Date.parse(`${row[0]!.replace(' ', 'T')}Z`)
    assert.equal(rows.length - new Set(rows.map(timeOf)).size, 12)
    for (const row of rows) expectation.set('machine-1', 'value', timeOf(row), Number(row[1]))
    const place = (row: readonly string[]) => ({ device: 'machine-1', timeMs: timeOf(row) })
    const file = plantImpossible(header, rows, ['timestamp'], random, place)
    planted.push(...file.planted)
    const counts = await replay(file.lines, ['--device-id', 'machine-1', '--profile', machineProfile.id])
    assert.equal(counts.messagesAcknowledged, rows.length + impossiblePerDevice)
    t.diagnostic(
      `${counts.messagesAcknowledged} messages, ${counts.values} values, ${counts.seconds.toFixed(1)} s`,
    )
  })

  test('stores exactly the distinct device, metric and time of what was sent', async (t) => {
    const startedMs = performance.now()
    await assertPoints(server.client, expectation)
    t.diagnostic(
      `${expectation.size} points compared in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`,
    )
    for (const station of stations) {
      const { metrics } = await server.client.devices.latest(station)
      assert.deepEqual(Object.keys(metrics).sort(), Object.keys(airProfile.metrics!).sort())
    }
  })

  test('averages by day as the files do', async (t) => {
    t.diagnostic(`${await assertBuckets(server.client, expectation, '1d')} daily buckets compared`)
  })

  test('keeps every impossible value in quarantine, with its reason and payload', async () => {
    for (const device of [...stations, 'machine-1']) {
      const expected = planted
        .filter((one) => one.device === device)
        .map(describeImpossible)
        .sort()
      const found = await eventually(
        async () => {
          const list = (cursor?: string) => server.client.quarantine.list({ device, cursor, limit: 1000 })
          const entries: string[] = []
          for await (const { reason, metric, preview } of eachItem(list)) {
            assert.equal(reason, 'outOfRange')
            const { ts, values } = JSON.parse(preview) as { ts: number; values: Record<string, number> }
            entries.push(describeImpossible({ metric: metric!, timeMs: ts, value: values[metric!]! }))
          }
          return entries.length >= expected.length && entries.sort()
        },
        { everyMs: 200 },
      )
      assert.deepEqual(found, expected)
    }
  })
})

function describeImpossible({
  metric,
  timeMs,
  value,
}: Pick<Impossible, 'metric' | 'timeMs' | 'value'>): string {
  return `${metric} ${new Date(timeMs).toISOString()} ${value}`
}
