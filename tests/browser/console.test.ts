import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, afterEach, before, describe, it } from 'node:test'
import type { Page } from 'playwright-core'
import { startServer } from '../support/server.ts'
import { eventually } from '../support/wait.ts'
import { type Desk, openDesk } from './browser.ts'

const minute = 60_000
const day = 24 * 60 * minute

let desk: Desk
let page: Page

before(async () => {
  desk = await openDesk()
  page = desk.page
  await desk.signIn()
  await desk.server.client.profiles.create({
    id: 'thermometer',
    metrics: { temperature: { type: 'number', unit: 'Cel', min: -40, max: 85, ratePerSecondMax: 5 } },
    unknownMetrics: 'quarantine',
  })
})
after(() => desk?.close())
afterEach(() => assert.deepEqual(desk.complaints, []))

interface Value {
  readonly ts: number
  readonly values: Readonly<Record<string, number>>
}

const messageValuesMax = 4_000

/** A new device that has sent these values; answers with its token once they can be read. */
async function deviceWith(id: string, values: readonly Value[], profile = 'default'): Promise<string> {
  const { token } = await desk.server.client.devices.create({ id, profile })
  for (let start = 0; start < values.length; start += messageValuesMax)
    await desk.send(token, values.slice(start, start + messageValuesMax))
  const newest = values.at(-1)
  await eventually(async () => {
    const { metrics } = await desk.server.client.devices.latest(id)
    return newest === undefined || Object.values(metrics).some(({ time }) => Date.parse(time) === newest.ts)
  })
  return token
}

/** A value a minute for thirty days. */
function month(): Value[] {
  const now = Date.now()
  return Array.from({ length: 30 * 24 * 60 }, (_, index) => {
    const ts = now - 30 * day + (index + 1) * minute
    return { ts, values: { pressure: 3 + Math.sin(ts / day) } }
  })
}

/** A value a second, ending now. */
function seconds(metric: string, values: readonly number[]): Value[] {
  const now = Date.now()
  return values.map((value, index) => ({
    ts: now - (values.length - index) * 1_000,
    values: { [metric]: value },
  }))
}

describe('the page of a device', () => {
  it('shows values as they come', async () => {
    const token = await deviceWith('live-1', seconds('temperature', [20]), 'thermometer')
    await page.goto('/devices/live-1?range=hour')
    await page.getByRole('img', { name: /Chart of temperature: 1 values/ }).waitFor()
    const sentAt = performance.now()
    await desk.send(token, { temperature: 64.75 })
    await page.getByRole('button', { name: /temperature 64\.75 °C/ }).waitFor()
    await page.getByText('suspect', { exact: true }).waitFor()
    assert.ok(performance.now() - sentAt < 1_000)
    await page.getByRole('img', { name: /Chart of temperature: 2 values/ }).waitFor()
    await desk.picture('device')
  })

  it('draws a month in buckets, and asks again at the right width for a part that is dragged over', async () => {
    await deviceWith('month-1', month())
    await page.goto('/devices/month-1?range=month')
    await page.getByRole('img', { name: /Chart of pressure: \d+ averages over 2h/ }).waitFor()
    await desk.picture('month')
    const chart = (await page.locator('.u-over').boundingBox())!
    const asked = page.waitForRequest((request) => /telemetry.*every=/.test(request.url()))
    await page.mouse.move(chart.x + chart.width * 0.5, chart.y + 80)
    await page.mouse.down()
    await page.mouse.move(chart.x + chart.width * 0.6, chart.y + 90, { steps: 4 })
    await page.mouse.up()
    const every = new URL((await asked).url()).searchParams.get('every')
    assert.equal(every, '10m', 'a tenth of a month is three days')
    await page.getByRole('img', { name: /averages over 10m/ }).waitFor()
    const { searchParams } = new URL(page.url())
    const span = Number(searchParams.get('to')) - Number(searchParams.get('from'))
    assert.ok(Math.abs(span - 3 * day) < day / 4, `The address says ${span / day} days`)
    await desk.picture('zoomed')
    await page.getByRole('button', { name: 'Reset zoom' }).click()
    await page.getByRole('img', { name: /averages over 2h/ }).waitFor()
    await page.goBack()
    await page.getByRole('img', { name: /averages over 10m/ }).waitFor()
  })

  it('draws every value when there are few, and zooms by buttons too', async () => {
    await deviceWith('few-1', seconds('temperature', [20, 20.5, 21, 60, 61, 61.5]), 'thermometer')
    await page.goto('/devices/few-1?range=all')
    await page.getByRole('img', { name: /Chart of temperature: 6 values, from 20 to 61.5 °C/ }).waitFor()
    await desk.picture('few')
    await page.getByRole('button', { name: 'Zoom in' }).click()
    await page.getByRole('img', { name: /Chart of temperature: [2-5] values/ }).waitFor()
  })

  it('draws true and false as steps, however many there are', async () => {
    const { token } = await desk.server.client.devices.create({ id: 'door-1' })
    const now = Date.now()
    const messages = Array.from({ length: 2_000 }, (_, index) => {
      return { ts: now - (2_000 - index) * minute, values: { open: index >= 500 && index < 700 } }
    })
    await desk.send(token, messages)
    await eventually(async () => (await desk.server.client.devices.latest('door-1')).metrics.open)
    await page.goto('/devices/door-1?range=week')
    await page.getByRole('img', { name: 'Chart of open: 6 values that are true or false' }).waitFor()
    await desk.picture('steps')
  })

  it('saves the shown range as CSV, all of it', async () => {
    await deviceWith('export-1', month())
    await page.goto('/devices/export-1?range=all')
    await page.getByRole('img', { name: /Chart of pressure/ }).waitFor()
    const downloaded = page.waitForEvent('download')
    await page.getByRole('button', { name: 'CSV' }).click()
    const download = await downloaded
    const lines = (await readFile(await download.path(), 'utf8')).trimEnd().split('\n')
    assert.match(download.suggestedFilename(), /^export-1_pressure_\d{8}T\d{4}_\d{8}T\d{4}\.csv$/)
    assert.equal(lines[0], 'time,value,quality')
    assert.equal(lines.length, 1 + 30 * 24 * 60)
  })

  it('creates and revokes tokens', async () => {
    await deviceWith('token-1', [])
    await page.goto('/devices/token-1')
    await page.getByRole('heading', { name: 'No reading yet' }).waitFor()
    await page.getByRole('button', { name: 'Create token' }).click()
    const keyId = (await desk.textOf('New device token')).split('_')[1]!
    await desk.picture('no-reading')
    await page.getByRole('button', { name: `Revoke token ${keyId}` }).click()
    await page.getByRole('button', { name: 'Revoke token', exact: true }).click()
    await page.getByText(`dt_${keyId}_…`).waitFor({ state: 'detached' })
    const { items } = await desk.server.client.devices.tokens('token-1')
    assert.equal(items.length, 1)
  })

  it('deletes the device once its id is typed', async () => {
    await deviceWith('gone-1', [])
    await page.goto('/devices/gone-1')
    await page.getByRole('button', { name: 'Delete' }).click()
    const confirm = page.getByRole('button', { name: 'Delete device' })
    assert.ok(await confirm.isDisabled())
    await page.getByLabel('Type gone-1 to confirm').fill('gone-1')
    await desk.picture('delete')
    await confirm.click()
    await desk.heading('Devices').waitFor()
    await assert.rejects(desk.server.client.devices.get('gone-1'), { code: 'notFound' })
    await page.goto('/devices/gone-1')
    await page.getByText('There is no device gone-1').waitFor()
  })
})

describe('the quarantine', () => {
  it('shows an impossible value, which no chart shows', async () => {
    const token = await deviceWith('frozen-1', seconds('temperature', [20]), 'thermometer')
    await page.goto('/devices/frozen-1')
    await page.getByText('every message was well formed').waitFor()
    await desk.send(token, { temperature: -273 })
    await page.getByRole('link', { name: /-273/ }).click()
    await desk.heading('Out of range').waitFor()
    assert.equal(await desk.textOf('Payload as text'), '{"temperature":-273}')
    await page.getByRole('tab', { name: 'Hex' }).click()
    await page.getByText('0000  7b 22 74 65 6d 70').waitFor()
    await desk.picture('quarantine-entry')
    const { metrics } = await desk.server.client.devices.latest('frozen-1')
    assert.equal(metrics.temperature?.value, 20)
  })

  it('is filtered by reason and device', async () => {
    const token = await deviceWith('rogue-1', [], 'thermometer')
    await desk.send(token, { temperature: 'hot', volume: 11 })
    await page.goto('/quarantine?device=rogue-1')
    const refused = (reason: string) => page.getByRole('row').filter({ hasText: reason })
    await refused('Type mismatch').waitFor()
    await refused('Metric unknown').waitFor()
    await desk.picture('quarantine')
    await page.getByRole('combobox', { name: 'Filter by reason' }).fill('type')
    await page.getByRole('option', { name: 'Type mismatch' }).click()
    await refused('Metric unknown').waitFor({ state: 'detached' })
    assert.match(page.url(), /reason=typeMismatch/)
  })
})

describe('the list of devices', () => {
  it('is searched and opened by the keyboard alone', async () => {
    await deviceWith('pump-1', [])
    await deviceWith('valve-1', [])
    await page.goto('/devices')
    await page.getByRole('link', { name: 'valve-1' }).waitFor()
    await desk.picture('devices')
    await page.keyboard.press('/')
    await page.keyboard.type('pump')
    await page.getByRole('link', { name: 'valve-1' }).waitFor({ state: 'detached' })
    assert.match(page.url(), /q=pump/)
    const link = page.getByRole('link', { name: 'pump-1' })
    for (let presses = 0; presses < 10; presses++) {
      await page.keyboard.press('Tab')
      if (await link.evaluate((element) => element === document.activeElement)) break
    }
    await page.keyboard.press('Enter')
    await desk.heading('pump-1').waitFor()
  })

  it('pages through many', async () => {
    const rows = Array.from({ length: 120 }, (_, index) => `many-${String(index).padStart(3, '0')},fleet`)
    await desk.server.client.devices.import(`id,tags\n${rows.join('\n')}\n`)
    await page.goto('/devices?tag=fleet')
    await page.getByRole('link', { name: 'many-000' }).waitFor()
    await page.getByRole('button', { name: 'Next' }).click()
    await page.getByRole('link', { name: 'many-050' }).waitFor()
    await page.getByRole('button', { name: 'Next' }).click()
    await page.getByRole('link', { name: 'many-119' }).waitFor()
    assert.ok(await page.getByRole('button', { name: 'Next' }).isDisabled())
    await page.getByRole('button', { name: 'Previous' }).click()
    await page.getByRole('link', { name: 'many-050' }).waitFor()
  })
})

describe('the look', () => {
  const brightness = () =>
    page.evaluate(() => Number(/\d+/.exec(getComputedStyle(document.body).backgroundColor)![0]))

  it('is dark when the system is, and remembers what was chosen instead', async () => {
    await deviceWith('dark-1', month())
    await page.goto('/devices/dark-1?range=month')
    await page.emulateMedia({ colorScheme: 'dark' })
    await eventually(async () => (await brightness()) < 64)
    await page.getByRole('img', { name: /Chart/ }).waitFor()
    await desk.picture('dark')
    await page.getByTitle('Light').click()
    await eventually(async () => (await brightness()) > 192)
    await page.reload()
    await desk.heading('dark-1').waitFor()
    assert.ok((await brightness()) > 192, 'the choice is kept')
    await page.getByTitle('As the system').click()
    await page.emulateMedia({ colorScheme: 'light' })
  })

  it('fits on a screen of 375 pixels', async () => {
    await deviceWith('narrow-1', month())
    await page.setViewportSize({ width: 375, height: 760 })
    const paths = ['/devices', '/devices/narrow-1', '/add-device', '/profiles/thermometer', '/quarantine']
    for (const path of paths) {
      await page.goto(path)
      await page.getByRole('heading', { level: 1 }).waitFor()
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
      assert.ok(overflow <= 0, `${path} is ${overflow} pixels too wide`)
      await desk.picture(`narrow${path.replaceAll('/', '-')}`)
    }
    await page.getByRole('button', { name: 'Open menu' }).click()
    await page.getByRole('link', { name: 'Devices', exact: true }).click()
    await desk.heading('Devices').waitFor()
    await page.setViewportSize({ width: 1280, height: 860 })
  })
})

describe('a server that is away', () => {
  it('is told of, and all goes on by itself when it is back', async () => {
    await deviceWith('patient-1', [])
    await page.goto('/devices?q=patient')
    await page.getByRole('link', { name: 'patient-1' }).waitFor()
    const { dataDirectory, http } = desk.server
    await desk.server.kill()
    await page.getByText('The server does not answer').waitFor()
    assert.ok(await page.getByRole('link', { name: 'patient-1' }).isVisible(), 'what was known stays')
    await desk.picture('away')
    desk.server = await startServer({ dataDirectory, flags: ['--http', new URL(http).host] })
    await page.getByText('The server does not answer').waitFor({ state: 'detached' })
    await desk.server.client.devices.create({ id: 'patient-2' })
    await page.getByRole('link', { name: 'patient-2' }).waitFor()
  })
})
