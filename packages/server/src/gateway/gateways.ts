import { once } from 'node:events'
import { createServer } from 'node:net'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { DroverError, isDroverError } from '@drover/protocol'
import type { QueueAccess } from '../queue/access.ts'
import { createBootId } from '../runtime/ids.ts'
import { connect, type Remote, serve } from '../threads/rpc.ts'
import type { AttachedGateway, Directory } from './directory.ts'
import { type Certificate, listen } from './listen.ts'
import { type GatewayMetrics, sumMetrics } from './metrics.ts'
import type { NoticeSink } from './notices.ts'
import type { GatewayHost, GatewayThread, GatewayThreadData, ListenRequest } from './thread-wire.ts'

export interface Listener {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
}

export interface GatewaysOptions {
  /** Threads; by default what the machine has room for beside main, log and storage. */
  readonly threads?: number
  /** MQTT over TCP, and over TLS. */
  readonly mqtt?: Listener | undefined
  readonly mqtts?: (Listener & { readonly certificate: Certificate }) | undefined
  readonly directory: Directory
  /** How a thread reaches the queue; a port is a new one for each. */
  readonly queueAccess: () => QueueAccess
  /** Of the `ReceiptClock` that all threads share. */
  readonly clock: SharedArrayBuffer
  readonly notice: NoticeSink
  /** A thread has failed; its connections are gone and this process should stop. */
  readonly onFailure: (error: Error) => void
  readonly pendingBytesMax?: number
}

export interface Gateways {
  /** Where they listen, with the ports that were given out. */
  readonly mqtt: Listener | undefined
  readonly mqtts: Listener | undefined
  readonly threads: number
  /** Summed over the threads. */
  metrics(): Promise<GatewayMetrics>
  updateCertificate(certificate: Certificate): Promise<void>
  /** Takes nothing more in, acknowledges what is on its way, ends all connections; done within the time. */
  close(timeoutMs: number): Promise<void>
}

const threadsMax = 4

/** Starts the gateway threads. Rejects with `addressInUse`. */
export async function startGateways(options: GatewaysOptions): Promise<Gateways> {
  const threads: Thread[] = []
  try {
    for (let left = options.threads ?? defaultThreads(); left > 0; left--) threads.push(startThread(options))
    const { mqtt, mqtts } = options
    return new RunningGateways(
      threads,
      mqtt && (await listenAll(threads, { ...mqtt, certificate: undefined }, 'MQTT', options)),
      mqtts && (await listenAll(threads, mqtts, 'MQTT over TLS', options)),
    )
  } catch (error) {
    await Promise.all(threads.map((thread) => thread.stop(0)))
    throw error
  }
}

function defaultThreads(): number {
  return Math.min(threadsMax, Math.max(1, availableParallelism() - 1))
}

class RunningGateways implements Gateways {
  readonly mqtt: Listener | undefined
  readonly mqtts: Listener | undefined
  readonly #threads: readonly Thread[]
  #closing: Promise<void> | undefined

  constructor(threads: readonly Thread[], mqtt: Listener | undefined, mqtts: Listener | undefined) {
    this.#threads = threads
    this.mqtt = mqtt
    this.mqtts = mqtts
  }

  get threads(): number {
    return this.#threads.length
  }

  async metrics(): Promise<GatewayMetrics> {
    return sumMetrics(await Promise.all(this.#threads.map(({ remote }) => remote.metrics())))
  }

  async updateCertificate(certificate: Certificate): Promise<void> {
    await Promise.all(this.#threads.map(({ remote }) => remote.updateCertificate(certificate)))
  }

  close(timeoutMs: number): Promise<void> {
    this.#closing ??= Promise.all(this.#threads.map((thread) => thread.stop(timeoutMs))).then(() => {})
    return this.#closing
  }
}

interface Thread {
  readonly remote: Remote<GatewayThread>
  stop(timeoutMs: number): Promise<void>
}

function startThread(options: GatewaysOptions): Thread {
  const queue = options.queueAccess()
  const data: GatewayThreadData = {
    bootId: createBootId(),
    clock: options.clock,
    queue,
    pendingBytesMax: options.pendingBytesMax,
  }
  const worker = new Worker(new URL('../threads/gateway.ts', import.meta.url), {
    workerData: data,
    transferList: queue.kind === 'embedded' ? [queue.port] : [],
    name: 'gateway',
  })
  const exited = new Promise((resolve) => worker.once('exit', resolve))
  const remote = connect<GatewayThread>(worker)
  const attached = attach(worker, remote, options)
  let stopping = false
  worker.on('error', (error: Error) => options.onFailure(error))
  worker.on('exit', () => {
    attached.detach()
    if (!stopping) options.onFailure(new Error('a gateway thread has ended'))
  })
  return {
    remote,
    async stop(timeoutMs) {
      stopping = true
      const late = setTimeout(() => void worker.terminate(), timeoutMs)
      await remote.close(timeoutMs).catch(() => {})
      await exited
      clearTimeout(late)
    },
  }
}

function attach(worker: Worker, remote: Remote<GatewayThread>, options: GatewaysOptions): AttachedGateway {
  const attached = options.directory.attach({
    end: (connection, reason) => remote.end(connection, reason),
  })
  serve<GatewayHost>(worker, { ...attached, notice: options.notice })
  return attached
}

type ListenTarget = Listener & { readonly certificate: Certificate | undefined }

/** All threads listen on one port, where the system can share it; else the first one does. */
async function listenAll(
  threads: readonly Thread[],
  { host, port, certificate }: ListenTarget,
  name: string,
  options: GatewaysOptions,
): Promise<Listener> {
  const [first, ...others] = threads
  const shared = others.length > 0
  try {
    // Sockets that share a port would also share it with another server of the same user: ask for it alone first.
    const free = shared ? await findFree(host, port) : port
    const request: ListenRequest = { host, port: free, reusePort: shared, certificate }
    const given = await first!.remote.listen(request)
    await Promise.all(others.map(({ remote }) => remote.listen({ ...request, port: given })))
    return { host, port: given }
  } catch (error) {
    if (shared && /ENOTSUP|EOPNOTSUPP|ENOPROTOOPT/.test(String(error))) {
      options.notice({
        level: 'warn',
        message: 'this system cannot share a port between threads: one of them takes all connections',
        details: { listener: name },
      })
      return listenAll([first!], { host, port, certificate }, name, options)
    }
    throw addressInUse(error, name, host, port)
  }
}

async function findFree(host: string, port: number): Promise<number> {
  const server = createServer()
  const found = await listen(server, { host, port, exclusive: true })
  server.close()
  await once(server, 'close')
  return found
}

function addressInUse(error: unknown, listener: string, host: string, port: number): unknown {
  if (isDroverError(error)) return error
  const text = String(error)
  const reason = /\bE[A-Z]+\b/.exec(text)?.[0] ?? text
  const flag = listener === 'MQTT' ? '--mqtt' : '--mqtts'
  return new DroverError('addressInUse', { listener, address: `${host}:${port}`, reason, flag }, error)
}
