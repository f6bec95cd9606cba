import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import type { Page } from 'playwright-core'
import { type Desk, openDesk } from './browser.ts'

const run = promisify(execFile)

let desk: Desk
let page: Page

before(async () => {
  desk = await openDesk()
  page = desk.page
})
after(() => desk?.close())

// One person's first minutes, step by step: each step begins where the last one ended.
describe('the first steps in the console', { concurrency: false }, () => {
  it('ask for the key, say where it is, and refuse a wrong one', async () => {
    await page.goto('/devices?q=boiler')
    await page.getByText('cat data/admin-key').waitFor()
    await desk.picture('sign-in')
    await page.getByLabel('Administrator key').fill('wrong')
    await page.keyboard.press('Enter')
    await page.getByText('not the administrator key of this server').waitFor()
    await desk.picture('sign-in-wrong')
  })

  it('let the right key in, to the page that was asked for', async () => {
    await page.getByLabel('Administrator key').fill(desk.server.adminKey)
    await page.keyboard.press('Enter')
    await desk.heading('Devices').waitFor()
    assert.equal(new URL(page.url()).search, '?q=boiler')
  })

  it('say what to do when there is nothing yet', async () => {
    await page.goto('/')
    await page.getByRole('heading', { name: 'Add your first device' }).waitFor()
    await desk.picture('empty-devices')
    await page.getByRole('link', { name: 'Quarantine' }).click()
    await page.getByRole('heading', { name: 'Nothing in quarantine' }).waitFor()
    await desk.picture('empty-quarantine')
  })

  it('add a profile', async () => {
    await page.getByRole('link', { name: 'Profiles', exact: true }).click()
    await page.getByRole('link', { name: 'Add profile' }).click()
    await page.getByLabel('Id').fill('thermometer')
    await page.getByLabel('Name of new metric').fill('temperature')
    await page.getByLabel('Unit of temperature').fill('Cel')
    await page.getByLabel('Smallest value of temperature').fill('-40')
    await page.getByLabel('Largest value of temperature').fill('85')
    await page.getByLabel('Largest change a second of temperature').fill('5')
    await desk.picture('add-profile')
    await page.getByRole('button', { name: 'Add profile' }).click()
    await page.getByRole('link', { name: 'thermometer' }).waitFor()
    const { metrics } = await desk.server.client.profiles.get('thermometer')
    assert.deepEqual(metrics, {
      temperature: { type: 'number', unit: 'Cel', min: -40, max: 85, ratePerSecondMax: 5 },
    })
  })

  it('add a device by the keyboard', async () => {
    await page.keyboard.press('n')
    await desk.heading('Add device').waitFor()
    await page.getByLabel('Id').fill('boiler-1')
    await page.getByLabel('Name').fill('Boiler in hall 1')
    await page.getByRole('combobox', { name: 'Profile' }).fill('thermo')
    await page.getByRole('option', { name: 'thermometer' }).click()
    await page.getByRole('combobox', { name: 'Tags' }).fill('hall-1')
    await page.keyboard.press('Enter')
    await desk.picture('add-device')
    await page.getByRole('button', { name: 'Add device' }).click()
    await page.getByText('Waiting for the first reading').waitFor()
    assert.match(await desk.textOf('Device token'), /^dt_[0-9A-Za-z]{16}_[0-9A-Za-z]{43}$/)
    await desk.picture('waiting')
  })

  it('give an MQTT command with the address and the token', async () => {
    const token = await desk.textOf('Device token')
    const { hostname, port } = new URL(desk.server.mqtt)
    assert.deepEqual((await desk.textOf('mosquitto_pub command')).split(' \\\n  '), [
      `mosquitto_pub -h ${hostname} -p ${port}`,
      '-i boiler-1 -u boiler-1',
      `-P ${token}`,
      `-q 1 -t me/telemetry -m '{"temperature":21.4}'`,
    ])
  })

  it('turn live within a second of the pasted command', async () => {
    await page.getByRole('tab', { name: 'HTTP' }).click()
    const { stdout } = await run('sh', ['-c', await desk.textOf('curl command')])
    const sentAt = performance.now()
    assert.deepEqual(JSON.parse(stdout), { accepted: true })
    await page.getByText('It is live').waitFor()
    const tookMs = performance.now() - sentAt
    assert.ok(tookMs < 1_000, `It took ${Math.round(tookMs)} ms`)
    await desk.picture('live')
    await page.getByRole('link', { name: 'Open boiler-1' }).click()
    await desk.heading('boiler-1').waitFor()
    await page.getByRole('button', { name: /temperature 21\.4 °C/ }).waitFor()
  })

  it('end by signing out', async () => {
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Administrator key').waitFor()
    await page.goto('/devices')
    await page.getByLabel('Administrator key').waitFor()
    assert.deepEqual(desk.complaints, [])
  })
})
