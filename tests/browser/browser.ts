import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium, type Locator, type Page } from 'playwright-core'
import { startServer, type TestServer } from '../support/server.ts'

const executablePath = process.env.DROVER_CHROMIUM ?? '/usr/bin/chromium'
/** What a page waits for, unless told otherwise. */
const waitMsMax = 10_000

/** Debian's Chromium, which asks nobody on the network for anything. */
async function openBrowser(): Promise<Browser> {
  if (!existsSync(executablePath))
    throw new Error(`There is no ${executablePath}: apt-get install chromium, or name one in DROVER_CHROMIUM`)
  return chromium.launch({
    executablePath,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** A server of its own with a person in front of its console, who is not signed in yet. */
export interface Desk {
  server: TestServer
  readonly page: Page
  heading(name: string): Locator
  /** The text of a block that can be copied. */
  textOf(label: string): Promise<string>
  signIn(): Promise<void>
  /** Sends as a device does, over HTTP. */
  send(token: string, payload: unknown): Promise<void>
  /** Keeps a picture to be looked at: in DROVER_SCREENSHOTS, or a temporary folder. */
  picture(name: string): Promise<void>
  /** What the page complained about: exceptions, refusals of the content security policy, React's warnings. */
  readonly complaints: readonly string[]
  close(): Promise<void>
}

/** With TLS the person comes by it, and trusts the server's own certificate. */
export async function openDesk({ tls = false } = {}): Promise<Desk> {
  const listeners = ['--https', '127.0.0.1:0', '--mqtts', '127.0.0.1:0', '--public-name', 'localhost']
  const [server, browser] = await Promise.all([startServer({ flags: tls ? listeners : [] }), openBrowser()])
  const context = await browser.newContext({
    baseURL: server.https ?? server.http,
    ignoreHTTPSErrors: tls,
    viewport: { width: 1280, height: 860 },
  })
  context.setDefaultTimeout(waitMsMax)
  const page = await context.newPage()
  const folder = process.env.DROVER_SCREENSHOTS ?? (await mkdtemp(join(tmpdir(), 'drover-screenshots-')))
  const desk: Desk = {
    server,
    page,
    heading: (name) => page.getByRole('heading', { name, level: 1, exact: true }),
    textOf: async (label) => (await page.getByLabel(label, { exact: true }).textContent()) ?? '',
    async signIn() {
      await page.goto('/')
      await page.getByLabel('Administrator key').fill(server.adminKey)
      await page.getByRole('button', { name: 'Sign in' }).click()
      await desk.heading('Devices').waitFor()
    },
    send: (token, payload) => send(desk.server, token, payload),
    async picture(name) {
      // A chart is drawn a frame after it is there.
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50))))
      await page.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled' })
    },
    complaints: complaintsOf(page),
    async close() {
      await browser.close()
      await desk.server.remove()
    },
  }
  return desk
}

function complaintsOf(page: Page): readonly string[] {
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    // Chromium reports each refused or failed request; the tests cause some on purpose.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(message.text())
  })
  return complaints
}

async function send(server: TestServer, token: string, payload: unknown): Promise<void> {
  const response = await fetch(`${server.http}/api/v1/ingest/telemetry`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(payload),
  })
  assert.equal(response.status, 202, await response.text())
}
