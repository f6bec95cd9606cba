import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { eventually } from '../support/wait.ts'
import { type Desk, openDesk } from './browser.ts'

const run = promisify(execFile)

let desk: Desk
let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drover-device-'))
  desk = await openDesk({ tls: true })
})
after(async () => {
  await desk?.close()
  await rm(folder, { recursive: true, force: true })
})

describe('the console by TLS', () => {
  it('gives commands that fetch the certificate and send by it, over HTTP and MQTT', async () => {
    const { page } = desk
    const paste = (command: string) => run('sh', ['-c', command], { cwd: folder })
    await desk.signIn()
    await page.goto('/add-device')
    await page.getByLabel('Id').fill('remote-1')
    await page.getByRole('button', { name: 'Add device' }).click()
    await page.getByText('From the network').click()
    await paste(await desk.textOf('Command that fetches the certificate'))
    await desk.picture('network')
    const byMqtt = await desk.textOf('mosquitto_pub command')
    await page.getByRole('tab', { name: 'HTTP' }).click()
    const { stdout } = await paste(await desk.textOf('curl command'))
    assert.deepEqual(JSON.parse(stdout), { accepted: true })
    await page.getByText('It is live').waitFor()
    await paste(byMqtt.replace('21.4', '22.5'))
    await eventually(async () => {
      const { metrics } = await desk.server.client.devices.latest('remote-1')
      return metrics.temperature?.value === 22.5
    })
    assert.deepEqual(desk.complaints, [])
  })
})
