import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs'
import { chown, mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../wait.ts'
import { isAlive, processTree } from './process-tree.ts'

const readyTimeoutMs = 90_000
const stopTimeoutMs = 60_000
/** The variable by which a server's processes are known, wherever they went. */
const mark = 'SERVICE_DIRECTORY'
const outputLinesShown = 60

/** A real server of somebody else's, in processes, a directory and a port of its own, on the loopback interface only. */
export interface Service {
  /** As Drover's settings take it. It stays the same over `restart`. */
  readonly url: string
  /** Asks it to end, and answers once it has. Its data stay. */
  stop(): Promise<void>
  /** SIGKILL to all its processes; answers once they are gone. Its data stay as a crash leaves them. */
  kill(): Promise<void>
  /** Stops it if it runs, starts it on the same data and port, and answers when it is ready. */
  restart(): Promise<void>
  /** SIGSTOP to all its processes: connections stay open and nobody answers. */
  pause(): void
  /** SIGCONT. */
  resume(): void
  /** Kills it and removes its directory. */
  [Symbol.asyncDispose](): Promise<void>
}

/** Whom the processes of a server belong to. */
export interface User {
  readonly uid: number
  readonly gid: number
}

export interface ServerProgram {
  readonly name: string
  readonly url: string
  /** Of `privateDirectory`; the server's working directory and where its output goes (`output.log`). */
  readonly directory: string
  /** The server itself in the foreground, not a script that leaves it behind. */
  readonly command: readonly [program: string, ...args: string[]]
  readonly env?: Readonly<Record<string, string>>
  readonly user?: User
  /** Rejects within seconds while the server does not answer yet; is asked again until the deadline. */
  readonly answers: () => Promise<unknown>
  /** Default 90 s. */
  readonly readyTimeoutMs?: number
  /** What asks it to end. Default SIGTERM. */
  readonly stopSignal?: NodeJS.Signals
}

/** Starts the server and waits until it answers. Rejects with the end of its output when it does not. */
export async function startService(program: ServerProgram): Promise<Service> {
  const service = new ProcessService(program)
  await service.restart()
  return service
}

/** Started by root, servers that refuse to run as root get the first of these users that there is. */
export function unprivilegedUser(...names: readonly string[]): User | undefined {
  if (process.getuid?.() !== 0) return undefined
  const users = new Map(
    readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .map(([name, , uid, gid]) => [name, { uid: Number(uid), gid: Number(gid) }]),
  )
  const found = names.find((name) => users.has(name))
  if (found === undefined) throw new Error(`There is no user ${names.join(' or ')}.`)
  return users.get(found)
}

/** A new directory below the system's temporary one, which `user` may use. */
export async function privateDirectory(name: string, user?: User): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), `drover-${name}-`))
  if (user) await chown(directory, user.uid, user.gid)
  return directory
}

/** A port that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Resolves when something on this machine listens there, rejects when nothing does. */
export async function portAnswers(port: number): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(5_000) })
  } finally {
    socket.destroy()
  }
}

class ProcessService implements Service {
  readonly #program: ServerProgram
  #child: ChildProcess | undefined
  /** A test that ends early leaves nothing behind. */
  readonly #atExit = () => {
    this.#signal('SIGKILL')
    rmSync(this.#program.directory, { recursive: true, force: true })
  }

  constructor(program: ServerProgram) {
    this.#program = program
    process.once('exit', this.#atExit)
  }

  get url(): string {
    return this.#program.url
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    this.resume()
    child.kill(this.#program.stopSignal ?? 'SIGTERM')
    const inTime = await endsWithin(child, stopTimeoutMs)
    // What it left running would hold its port.
    await this.kill()
    if (!inTime) throw new Error(`${this.#program.name} did not stop within ${stopTimeoutMs} ms.`)
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    const pids = this.#signal('SIGKILL')
    await endsWithin(child, stopTimeoutMs)
    await eventually(() => !pids.some(isAlive))
    this.#child = undefined
  }

  async restart(): Promise<void> {
    await this.stop()
    const child = spawnProgram(this.#program)
    this.#child = child
    try {
      await this.#ready(child)
    } catch (error) {
      await this.kill()
      throw new Error(`${this.#program.name} did not start:\n${lastOutput(this.#program)}`, { cause: error })
    }
  }

  pause(): void {
    this.#signal('SIGSTOP')
  }

  resume(): void {
    this.#signal('SIGCONT')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    await rm(this.#program.directory, { recursive: true, force: true, maxRetries: 3 })
    process.off('exit', this.#atExit)
  }

  async #ready(child: ChildProcess): Promise<void> {
    const { answers, readyTimeoutMs: deadlineMs = readyTimeoutMs } = this.#program
    const ended = new AbortController()
    child.once('exit', () => ended.abort()).once('error', () => ended.abort())
    const check = () => ended.signal.aborted || answers().then(() => true)
    await eventually(check, { deadlineMs, everyMs: 100 })
    if (hasEnded(child)) throw new Error(`It ended with ${child.exitCode ?? child.signalCode}.`)
  }

  /** To the process and all that it started: some make groups of their own. Answers whom it was sent to. */
  #signal(signal: NodeJS.Signals): number[] {
    const pid = this.#child?.pid
    const pids = pid === undefined ? [] : processTree(pid, `${mark}=${this.#program.directory}`)
    for (const one of pids) if (isAlive(one)) process.kill(one, signal)
    return pids
  }
}

/**
 * In a process group of its own, so that Ctrl-C reaches the test only, which then ends it. SIGKILL to the test ends it
 * too: the kernel sees to that.
 */
function spawnProgram({ directory, command, env, user }: ServerProgram): ChildProcess {
  const output = openSync(outputFile(directory), 'a')
  const identity = user
    ? [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', '--inh-caps=-all']
    : []
  try {
    return spawn('setpriv', ['--pdeathsig=KILL', ...identity, '--', ...command], {
      cwd: directory,
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, HOME: directory, [mark]: directory, ...env },
      stdio: ['ignore', output, output],
      detached: true,
    })
  } finally {
    closeSync(output)
  }
}

const hasEnded = (child: ChildProcess) =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null

async function endsWithin(child: ChildProcess, timeoutMs: number): Promise<boolean> {
  if (hasEnded(child)) return true
  return once(child, 'exit', { signal: AbortSignal.timeout(timeoutMs) }).then(
    () => true,
    () => false,
  )
}

const outputFile = (directory: string) => join(directory, 'output.log')

function lastOutput({ directory }: ServerProgram): string {
  return readFileSync(outputFile(directory), 'utf8').split('\n').slice(-outputLinesShown).join('\n')
}
