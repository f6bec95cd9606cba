import { existsSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

const executablePath = process.env.DROVER_CHROMIUM ?? '/usr/bin/chromium'
/** What a page waits for, unless told otherwise. */
const waitMsMax = 10_000

/** Debian's Chromium, which asks nobody on the network for anything. */
export async function openBrowser(): Promise<Browser> {
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

export interface Visit {
  readonly page: Page
  /** What the page complained about: exceptions, refusals of the content security policy, React's warnings. */
  readonly complaints: readonly string[]
}

/** A person with a browser window of their own. */
export async function visit(
  browser: Browser,
  baseURL: string,
  options: BrowserContextOptions = {},
): Promise<Visit> {
  const context = await browser.newContext({ baseURL, viewport: { width: 1280, height: 860 }, ...options })
  context.setDefaultTimeout(waitMsMax)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    // Chromium reports each refused or failed request; the tests cause some on purpose.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(message.text())
  })
  return { page, complaints }
}

export async function signIn(page: Page, key: string): Promise<void> {
  await page.getByLabel('Administrator key').fill(key)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('navigation', { name: 'Main' }).waitFor({ state: 'attached' })
}

let folder: Promise<string> | undefined

/** Keeps a picture of the page to be looked at: in DROVER_SCREENSHOTS, or a new temporary folder. */
export async function picture(page: Page, name: string): Promise<string> {
  folder ??= process.env.DROVER_SCREENSHOTS
    ? Promise.resolve(process.env.DROVER_SCREENSHOTS)
    : mkdtemp(join(tmpdir(), 'drover-screenshots-'))
  const path = join(await folder, `${name}.png`)
  await page.screenshot({ path, animations: 'disabled' })
  return path
}
