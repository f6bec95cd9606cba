import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import type { Browser, Page } from 'playwright-core'
import { startServer, type TestServer } from '../support/server.ts'
import { eventually } from '../support/wait.ts'
import { openBrowser, picture, signIn, type Visit, visit } from './browser.ts'

const run = promisify(execFile)
const day = 86_400_000

let server: TestServer
let browser: Browser
let person: Visit
let page: Page

before(async () => {
  ;[server, browser] = await Promise.all([startServer(), openBrowser()])
  person = await visit(browser, server.http)
  page = person.page
})
after(async () => {
  await browser?.close()
  await server?.remove()
})

const heading = (name: string) => page.getByRole('heading', { name, level: 1 })

/** The text of a block that can be copied. */
async function textOf(label: string): Promise<string> {
  return (await page.getByLabel(label, { exact: true }).textContent()) ?? ''
}

/** Sends as a device does, over HTTP. */
async function send(token: string, payload: unknown): Promise<void> {
  const response = await fetch(`${server.http}/api/v1/ingest/telemetry`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(payload),
  })
  assert.equal(response.status, 202, await response.text())
}

describe('the console', { concurrency: false }, () => {
  it('asks for the key, says where it is, and refuses a wrong one', async () => {
    await page.goto('/devices?q=boiler')
    await page.getByText('cat data/admin-key').waitFor()
    await picture(page, 'sign-in')
    await page.getByLabel('Administrator key').fill('wrong')
    await page.keyboard.press('Enter')
    await page.getByText('not the administrator key of this server').waitFor()
    await picture(page, 'sign-in-wrong')
  })

  it('lets the right key in, to the page that was asked for', async () => {
    await signIn(page, server.adminKey)
    await heading('Devices').waitFor()
    assert.equal(new URL(page.url()).search, '?q=boiler')
  })

  it('says what to do when there is nothing yet', async () => {
    await page.goto('/')
    await page.getByRole('heading', { name: 'Add your first device' }).waitFor()
    await picture(page, 'empty-devices')
    await page.getByRole('link', { name: 'Quarantine' }).click()
    await page.getByRole('heading', { name: 'Nothing in quarantine' }).waitFor()
    await picture(page, 'empty-quarantine')
  })

  it('adds a profile', async () => {
    await page.getByRole('link', { name: 'Profiles' }).click()
    await page.getByRole('link', { name: 'Add profile' }).click()
    await page.getByLabel('Id').fill('thermometer')
    await page.getByLabel('Name of new metric').fill('temperature')
    await page.getByLabel('Unit of temperature').fill('Cel')
    await page.getByLabel('Smallest value of temperature').fill('-40')
    await page.getByLabel('Largest value of temperature').fill('85')
    await page.getByLabel('Largest change a second of temperature').fill('5')
    await picture(page, 'add-profile')
    await page.getByRole('button', { name: 'Add profile' }).click()
    await page.getByRole('link', { name: 'thermometer' }).waitFor()
    const { metrics } = await server.client.profiles.get('thermometer')
    assert.deepEqual(metrics, {
      temperature: { type: 'number', unit: 'Cel', min: -40, max: 85, ratePerSecondMax: 5 },
    })
  })

  it('adds a device, and turns live within a second of the pasted command', async () => {
    await heading('Profiles').waitFor()
    await page.keyboard.press('n')
    await heading('Add device').waitFor()
    await page.getByLabel('Id').fill('boiler-1')
    await page.getByLabel('Name').fill('Boiler in hall 1')
    await page.getByRole('combobox', { name: 'Profile' }).fill('thermo')
    await page.getByRole('option', { name: 'thermometer' }).click()
    await page.getByRole('combobox', { name: 'Tags' }).fill('hall-1')
    await page.keyboard.press('Enter')
    await picture(page, 'add-device')
    await page.getByRole('button', { name: 'Add device' }).click()
    await page.getByText('Waiting for the first reading').waitFor()
    const token = await textOf('Device token')
    assert.match(token, /^dt_[0-9A-Za-z]{16}_[0-9A-Za-z]{43}$/)
    await picture(page, 'waiting')
    await page.getByRole('tab', { name: 'HTTP' }).click()
    const command = await textOf('curl command')
    const { stdout } = await run('sh', ['-c', command])
    const sentAt = performance.now()
    assert.deepEqual(JSON.parse(stdout), { accepted: true })
    await page.getByText('It is live').waitFor()
    const tookMs = performance.now() - sentAt
    assert.ok(tookMs < 1_000, `It took ${Math.round(tookMs)} ms`)
    await picture(page, 'live')
  })

  it('gives an MQTT command with the port and the token that work', async () => {
    await page.getByRole('tab', { name: 'MQTT' }).click()
    const command = await textOf('mosquitto_pub command')
    const { hostname, port } = new URL(server.mqtt)
    assert.ok(command.startsWith(`mosquitto_pub -h ${hostname} -p ${port} `), command)
    assert.match(command, /-u boiler-1 .*\n.*-P dt_\S+ .*\n.*-t me\/telemetry -m '\{"temperature":21\.4\}'$/)
  })

  it('shows values of the device as they come', async () => {
    await page.getByRole('link', { name: 'Open boiler-1' }).click()
    await heading('boiler-1').waitFor()
    await page.getByRole('button', { name: /temperature/ }).waitFor()
    const { token } = await server.client.devices.createToken('boiler-1')
    await send(token, { temperature: 24.75 })
    await page.getByRole('button', { name: /24\.75/ }).waitFor({ timeout: 1_000 })
    await picture(page, 'device')
  })

  it('draws a month in buckets, and asks again at the right width when a part is dragged over', async () => {
    const { token } = await server.client.devices.create({ id: 'pump-1' })
    const now = Date.now()
    const minutes = 30 * 24 * 60
    for (let start = 0; start < minutes; start += 4_000) {
      const messages = Array.from({ length: Math.min(4_000, minutes - start) }, (_, index) => {
        const ts = now - (minutes - start - index) * 60_000
        return { ts, values: { pressure: 3 + Math.sin(ts / day) } }
      })
      await send(token, messages)
    }
    await eventually(async () => (await server.client.devices.latest('pump-1')).metrics.pressure?.time)
    await page.goto('/devices/pump-1?range=month')
    await page.getByRole('img', { name: /Chart of pressure: \d+ averages over 2h/ }).waitFor()
    await picture(page, 'month')
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
    await picture(page, 'zoomed')
    await page.goBack()
    await page.getByRole('img', { name: /averages over 2h/ }).waitFor()
  })

  it('draws every value when there are few, and marks the suspect ones', async () => {
    const { token } = await server.client.devices.create({ id: 'oven-1', profile: 'thermometer' })
    const now = Date.now()
    const jump = [20, 20.5, 21, 60, 21, 21.5].map((temperature, index) => ({
      ts: now - 60_000 + index * 1_000,
      values: { temperature },
    }))
    await send(token, jump)
    await eventually(async () => (await server.client.devices.latest('oven-1')).metrics.temperature?.time)
    await page.goto('/devices/oven-1?range=hour')
    await page.getByRole('img', { name: /Chart of temperature: 6 values, from 20 to 60 °C/ }).waitFor()
    await page.getByRole('button', { name: 'Zoom in' }).click()
    assert.match(page.url(), /from=/)
    await picture(page, 'few')
  })

  it('saves the shown range as CSV, all of it', async () => {
    await page.goto('/devices/pump-1?range=all')
    await page.getByRole('img', { name: /Chart of pressure/ }).waitFor()
    const downloaded = page.waitForEvent('download')
    await page.getByRole('button', { name: 'CSV' }).click()
    const download = await downloaded
    const lines = (await readFile(await download.path(), 'utf8')).trimEnd().split('\n')
    assert.match(download.suggestedFilename(), /^pump-1_pressure_\d{8}T\d{4}_\d{8}T\d{4}\.csv$/)
    assert.equal(lines[0], 'time,value,quality')
    assert.equal(lines.length, 1 + 30 * 24 * 60)
  })

  it('keeps an impossible value out of the chart, and shows it in quarantine', async () => {
    await page.goto('/devices/boiler-1')
    await page.getByText('every message was well formed').waitFor()
    const { token } = await server.client.devices.createToken('boiler-1')
    await send(token, { temperature: -273 })
    await page.getByRole('link', { name: /-273/ }).click()
    await heading('Out of range').waitFor()
    assert.equal(await textOf('Payload as text'), '{"temperature":-273}')
    await page.getByRole('tab', { name: 'Hex' }).click()
    await page.getByText('0000  7b 22 74 65 6d 70').waitFor()
    await picture(page, 'quarantine-entry')
    await page.goto('/quarantine?reason=outOfRange')
    await page.getByRole('link', { name: /-273/ }).waitFor()
    await picture(page, 'quarantine')
    const { metrics } = await server.client.devices.latest('boiler-1')
    assert.equal(metrics.temperature?.value, 24.75)
  })

  it('finds devices by text, and by the keyboard alone', async () => {
    await page.goto('/devices')
    await page.getByRole('link', { name: 'boiler-1' }).waitFor()
    await picture(page, 'devices')
    await page.keyboard.press('/')
    await page.keyboard.type('pump')
    await page.getByRole('link', { name: 'boiler-1' }).waitFor({ state: 'detached' })
    assert.match(page.url(), /q=pump/)
    await page.keyboard.press('Tab')
    await page.getByRole('link', { name: 'pump-1' }).focus()
    await page.keyboard.press('Enter')
    await heading('pump-1').waitFor()
  })

  it('creates and revokes tokens, and deletes a device once its id is typed', async () => {
    await page.getByRole('button', { name: 'Create token' }).click()
    const token = await textOf('New device token')
    const keyId = token.split('_')[1]!
    await page.getByRole('button', { name: `Revoke token ${keyId}` }).click()
    await page.getByRole('button', { name: 'Revoke token', exact: true }).click()
    await page.getByText(`dt_${keyId}_…`).waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Delete' }).click()
    const confirm = page.getByRole('button', { name: 'Delete device' })
    assert.ok(await confirm.isDisabled())
    await page.getByLabel('Type pump-1 to confirm').fill('pump-1')
    await picture(page, 'delete')
    await confirm.click()
    await heading('Devices').waitFor()
    await page.getByRole('link', { name: 'boiler-1' }).waitFor()
    assert.equal(await page.getByRole('link', { name: 'pump-1' }).count(), 0)
  })

  it('is dark when the system is, and remembers what was chosen', async () => {
    await page.emulateMedia({ colorScheme: 'dark' })
    const brightness = () =>
      page.evaluate(() => Number(/\d+/.exec(getComputedStyle(document.body).backgroundColor)![0]))
    assert.ok((await eventually(async () => ((await brightness()) < 64 ? 'dark' : undefined))) === 'dark')
    await page.goto('/devices/boiler-1')
    await page.getByRole('img', { name: /Chart/ }).waitFor()
    await picture(page, 'dark')
    await page.getByText('Light', { exact: true }).click({ force: true })
    assert.ok((await brightness()) > 192)
    await page.reload()
    await heading('boiler-1').waitFor()
    assert.ok((await brightness()) > 192, 'the choice is kept')
    await page.getByText('As the system', { exact: true }).click({ force: true })
    await page.emulateMedia({ colorScheme: 'light' })
  })

  it('fits on a screen of 375 pixels', async () => {
    await page.setViewportSize({ width: 375, height: 760 })
    const paths = ['/devices', '/devices/boiler-1', '/add-device', '/profiles/thermometer', '/quarantine']
    for (const path of paths) {
      await page.goto(path)
      await page.getByRole('heading', { level: 1 }).waitFor()
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
      assert.ok(overflow <= 0, `${path} is ${overflow} pixels too wide`)
      await picture(page, `narrow${path.replaceAll('/', '-')}`)
    }
    await page.getByRole('button', { name: 'Open menu' }).click()
    await page.getByRole('link', { name: 'Devices', exact: true }).click()
    await heading('Devices').waitFor()
    await page.setViewportSize({ width: 1280, height: 860 })
  })

  it('says when the server is away, and goes on by itself when it is back', async () => {
    await page.goto('/devices')
    await page.getByRole('link', { name: 'boiler-1' }).waitFor()
    const { dataDirectory, http } = server
    await server.kill()
    await page.getByText('The server does not answer').waitFor()
    assert.ok(await page.getByRole('link', { name: 'boiler-1' }).isVisible(), 'what was known stays')
    await picture(page, 'away')
    const address = new URL(http).host
    server = await startServer({ dataDirectory, flags: ['--http', address] })
    await page.getByText('The server does not answer').waitFor({ state: 'detached' })
    await server.client.devices.create({ id: 'after-restart' })
    await page.getByRole('link', { name: 'after-restart' }).waitFor()
  })

  it('signs out', async () => {
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Administrator key').waitFor()
    await page.goto('/devices')
    await page.getByLabel('Administrator key').waitFor()
  })

  it('had nothing to complain about', () => {
    assert.deepEqual(person.complaints, [])
  })
})
