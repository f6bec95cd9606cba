import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Client, createClient } from '@drover/sdk/client'
import { command } from './drover.ts'

const readyTimeoutMs = 30_000
const logLinesMax = 10_000

export interface ServerOptions {
  /** Flags of `drover up` after the defaults, which they override. */
  readonly flags?: readonly string[]
  /** A folder of the caller, who removes it; without it a new one that `stop` and `kill` leave until `remove`. */
  readonly dataDirectory?: string
  readonly env?: Readonly<Record<string, string>>
}

/** A Drover server in a process of its own. */
export interface TestServer {
  /** `http://127.0.0.1:PORT`; https, mqtt and mqtts likewise, undefined where the listener is off. */
  readonly http: string
  readonly https: string | undefined
  readonly mqtt: string
  readonly mqtts: string | undefined
  readonly adminKey: string
  readonly dataDirectory: string
  /** With the administrator key. */
  readonly client: Client
  readonly pid: number
  /** What it printed so far. */
  readonly logs: readonly string[]
  /** SIGTERM; answers with the exit code once it is gone. */
  stop(): Promise<number | null>
  /** SIGKILL; answers once it is gone. */
  kill(): Promise<void>
  /** Kills it if it still runs, and removes its folder if it was made here. */
  remove(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

interface ReadyLine {
  readonly msg: 'ready'
  readonly http: string | null
  readonly https: string | null
  readonly mqtt: string | null
  readonly mqtts: string | null
}

/** Starts `drover up` on ports that the system chooses and waits until it is ready. Rejects with what it printed if it is not. */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const dataDirectory = options.dataDirectory ?? (await mkdtemp(join(tmpdir(), 'drover-test-')))
  const child = spawnServer(dataDirectory, options)
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  const logs: string[] = []
  const ready = await readyLine(child, exited, logs)
  const adminKey = (await readFile(join(dataDirectory, 'admin-key'), 'utf8')).trim()
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal)
    return (await exited)[0]
  }
  const remove = async () => {
    await end('SIGKILL')
    if (options.dataDirectory === undefined) await rm(dataDirectory, { recursive: true, force: true })
  }
  return {
    http: ready.http ?? '',
    https: ready.https ?? undefined,
    mqtt: ready.mqtt ?? '',
    mqtts: ready.mqtts ?? undefined,
    adminKey,
    dataDirectory,
    client: createClient({ baseUrl: ready.http ?? '', key: adminKey }),
    pid: child.pid!,
    logs,
    stop: () => end('SIGTERM'),
    kill: async () => void (await end('SIGKILL')),
    remove,
    [Symbol.asyncDispose]: remove,
  }
}

function spawnServer(dataDirectory: string, { flags = [], env = {} }: ServerOptions): ChildProcess {
  const listeners = ['--http', '127.0.0.1:0', '--https', 'off', '--mqtt', '127.0.0.1:0', '--mqtts', 'off']
  return spawn(process.execPath, [command, 'up', '--data', dataDirectory, ...listeners, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...env },
  })
}

function readyLine(
  child: ChildProcess,
  exited: Promise<[number | null, NodeJS.Signals | null]>,
  logs: string[],
): Promise<ReadyLine> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string) => {
      child.kill('SIGKILL')
      reject(new Error(`The server ${reason}:\n${logs.slice(-50).join('\n')}`))
    }
    const timer = setTimeout(() => fail(`was not ready within ${readyTimeoutMs} ms`), readyTimeoutMs)
    const keep = (line: string) => {
      logs.push(line)
      if (logs.length > logLinesMax) logs.shift()
    }
    createInterface({ input: child.stderr! }).on('line', keep)
    createInterface({ input: child.stdout! }).on('line', (line) => {
      keep(line)
      const ready = parseReady(line)
      if (!ready) return
      clearTimeout(timer)
      resolve(ready)
    })
    void exited.then(([code, signal]) => {
      clearTimeout(timer)
      fail(`ended with ${code ?? signal}`)
    })
  })
}

function parseReady(line: string): ReadyLine | undefined {
  if (!line.includes('"ready"')) return undefined
  try {
    const parsed = JSON.parse(line) as Partial<ReadyLine>
    return parsed.msg === 'ready' ? (parsed as ReadyLine) : undefined
  } catch {
    return undefined
  }
}
