/**
 * `npm run demo`: a server with a simulated fleet and a few days of its history, for the first look. What follows
 * `--` goes to `drover up`: `npm run demo -- --http 127.0.0.1:9000`. Ctrl-C ends both.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { main } from '../packages/cli/src/main.ts'

const root = resolve(import.meta.dirname, '..')
const dataDirectory = join(root, 'data', 'demo')
const command = join(root, 'packages', 'cli', 'bin', 'drover.js')
const fleet = ['--devices', '20', '--interval', '5s', '--backfill', '3']
const shownLevels = ['warn', 'error', 'fatal']

interface LogLine {
  readonly level: string
  readonly msg: string
  readonly http?: string
  readonly data?: string
}

interface Address {
  readonly url: string
  readonly keyFile: string
}

/** In a process group of its own, so that Ctrl-C reaches this script only, which stops the fleet first. */
function startServer(flags: readonly string[]): ChildProcess {
  return spawn(process.execPath, [command, 'up', '--data', dataDirectory, ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
}

/** Resolves with where the server is when it is ready, with undefined if it ends before. */
function ready(server: ChildProcess): Promise<Address | undefined> {
  return new Promise((resolve) => {
    server.once('exit', () => resolve(undefined))
    createInterface({ input: server.stdout! }).on('line', (text) => {
      const line = parseLine(text)
      if (line === undefined) console.log(text)
      else if (line.msg === 'ready')
        resolve({ url: line.http!, keyFile: join(line.data ?? dataDirectory, 'admin-key') })
      else if (shownLevels.includes(line.level)) console.log(line.msg)
    })
  })
}

function parseLine(text: string): LogLine | undefined {
  try {
    return JSON.parse(text) as LogLine
  } catch {
    return undefined
  }
}

function describe({ url, keyFile }: Address): string {
  return `
Drover runs, and a fleet of 20 simulated devices sends to it.

  Look at     ${url}
  sign in with the key in  ${keyFile}
  API         ${url}/docs

  npm run drover -- devices list --url ${url} --key-file ${keyFile}

Ctrl-C ends the demonstration; its data stays in ${dirname(keyFile)}.
`
}

async function demonstrate(flags: readonly string[]): Promise<number> {
  const controller = new AbortController()
  const stop = () => controller.abort()
  process.on('SIGINT', stop).on('SIGTERM', stop)
  const server = startServer(flags)
  const exited = once(server, 'exit')
  process.once('exit', () => server.kill('SIGKILL'))
  server.once('exit', stop)
  const address = await ready(server)
  if (address === undefined) return server.exitCode || 1
  console.log(describe(address))
  const args = ['simulate', ...fleet, '--url', address.url, '--key-file', address.keyFile]
  const { stdout, stderr } = process
  const code = await main(args, process.env, { env: process.env, stdout, stderr, signal: controller.signal })
  const ended = server.exitCode
  server.kill('SIGTERM')
  const [serverCode] = (await exited) as [number | null]
  return ended ?? (code || (serverCode ?? 1))
}

process.exitCode = await demonstrate(process.argv.slice(2))
