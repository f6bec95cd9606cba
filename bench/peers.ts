import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../tests/support/wait.ts'

export interface Peer {
  readonly port: number
  stop(): Promise<void>
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

const accepts = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    }).on('error', () => resolve(false))
  })

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

/** Mosquitto without persistence, or undefined where it is not installed. */
export async function startMosquitto(): Promise<Peer | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'drover-bench-mosquitto-'))
  const port = await freePort()
  const settings = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'persistence false',
    'log_type none',
  ]
  await writeFile(join(directory, 'mosquitto.conf'), `${settings.join('\n')}\nmax_inflight_messages 0\n`)
  const child = spawn('mosquitto', ['-c', join(directory, 'mosquitto.conf')], { stdio: 'ignore' })
  const missing = new Promise<true>((resolve) => child.on('error', () => resolve(true)))
  const started = eventually(() => accepts(port)).then(() => false)
  if (await Promise.race([missing, started])) {
    await rm(directory, { recursive: true })
    return undefined
  }
  return {
    port,
    async stop() {
      await end(child)
      await rm(directory, { recursive: true })
    },
  }
}
