/**
 * A load generator for MQTT QoS 1: a process of its own that opens raw sockets and counts acknowledgements. Its
 * packets are made once and sent again and again, so that it takes as little of the machine as it can.
 *
 * Run by `spawnLoad`; takes its plan as JSON in argv and prints its result as one line of JSON.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'

export interface LoadPlan {
  readonly host: string
  readonly port: number
  /** One connection each. */
  readonly clients: readonly {
    readonly clientId: string
    readonly username: string
    readonly password: string
  }[]
  readonly topic: string
  readonly payload: string
  /** Messages in flight a connection. */
  readonly window: number
  readonly durationMs: number
  /** Messages a second over all connections; without it as many as the server acknowledges. */
  readonly rate?: number
}

export interface LoadResult {
  readonly sent: number
  readonly acknowledged: number
  readonly seconds: number
  /** ms; only measured with a rate. */
  readonly latency: { readonly p50: number; readonly p99: number; readonly max: number } | null
}

/** Runs a plan in a process of its own. */
export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.end(JSON.stringify(plan))
  const output: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`The load generator ended with ${code}`)
  return JSON.parse(Buffer.concat(output).toString()) as LoadResult
}

const pubackBytes = 4

export function connectPacket({ clientId, username, password }: LoadPlan['clients'][number]): Buffer {
  const text = (value: string) => {
    const bytes = Buffer.from(value)
    return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes])
  }
  const flags = 0x02 | (username ? 0x80 : 0) | (password ? 0x40 : 0)
  const body = [text('MQTT'), Buffer.from([4, flags, 0, 0]), text(clientId)]
  if (username) body.push(text(username))
  if (password) body.push(text(password))
  return packet(0x10, Buffer.concat(body))
}

function packet(firstByte: number, body: Buffer): Buffer {
  const length: number[] = []
  for (let left = body.length; ; ) {
    const digit = left % 128
    left = Math.floor(left / 128)
    length.push(left > 0 ? digit | 128 : digit)
    if (left === 0) break
  }
  return Buffer.concat([Buffer.from([firstByte, ...length]), body])
}

function publishPacket(topic: string, packetId: number, payload: string): Buffer {
  const name = Buffer.from(topic)
  const head = Buffer.from([name.length >> 8, name.length & 255])
  const id = Buffer.from([packetId >> 8, packetId & 255])
  return packet(0x32, Buffer.concat([head, name, id, Buffer.from(payload)]))
}

/** One connection: `window` packets in a ring, twice in a row so that any run of them is one slice. */
class Sender {
  readonly socket: Socket
  readonly #ring: Buffer
  readonly #packetBytes: number
  readonly #window: number
  #next = 0
  #partial = 0
  inFlight = 0
  sent = 0
  acknowledged = 0
  readonly sentAt: Float64Array
  onAcknowledged: ((first: number, count: number) => void) | undefined

  constructor(socket: Socket, plan: LoadPlan) {
    this.socket = socket
    this.#window = plan.window
    const packets = Array.from({ length: plan.window }, (_, i) =>
      publishPacket(plan.topic, i + 1, plan.payload),
    )
    this.#packetBytes = packets[0]!.length
    this.#ring = Buffer.concat([...packets, ...packets])
    this.sentAt = new Float64Array(plan.window)
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
  }

  get room(): number {
    return this.#window - this.inFlight
  }

  send(count: number): void {
    if (count === 0) return
    const start = this.#next * this.#packetBytes
    this.socket.write(this.#ring.subarray(start, start + count * this.#packetBytes))
    this.#next = (this.#next + count) % this.#window
    this.inFlight += count
    this.sent += count
  }

  #read(chunk: Buffer): void {
    const bytes = this.#partial + chunk.length
    const count = Math.floor(bytes / pubackBytes)
    this.#partial = bytes % pubackBytes
    if (count === 0) return
    const first = this.acknowledged
    this.acknowledged += count
    this.inFlight -= count
    this.onAcknowledged?.(first, count)
  }
}

async function open(plan: LoadPlan, client: LoadPlan['clients'][number]): Promise<Sender> {
  const socket = connect({ host: plan.host, port: plan.port, noDelay: true })
  await once(socket, 'connect')
  socket.write(connectPacket(client))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  if (answer[0] !== 0x20 || answer[3] !== 0) throw new Error(`CONNACK ${answer.toString('hex')}`)
  return new Sender(socket, plan)
}

async function asFastAsAcknowledged(senders: readonly Sender[], plan: LoadPlan): Promise<number[]> {
  let stopped = false
  const { promise: drained, resolve } = Promise.withResolvers<void>()
  for (const sender of senders) {
    sender.onAcknowledged = (_, count) => {
      if (!stopped) sender.send(count)
      else if (senders.every(({ inFlight }) => inFlight === 0)) resolve()
    }
    sender.send(plan.window)
  }
  await new Promise((done) => setTimeout(done, plan.durationMs))
  stopped = true
  await Promise.race([drained, new Promise((done) => setTimeout(done, 10_000).unref())])
  return []
}

/** Messages that one connection sends in one write, as a device that has gathered some does. */
const runMax = 20

/** Sends what is due every ms; latency is from when a message was due, so that a stall counts for all it delays. */
async function atRate(senders: readonly Sender[], plan: LoadPlan, rate: number): Promise<number[]> {
  const latencies: number[] = []
  for (const sender of senders)
    sender.onAcknowledged = (first, count) => {
      const now = performance.now()
      for (let i = 0; i < count; i++) latencies.push(now - sender.sentAt[(first + i) % plan.window]!)
    }
  const startedAt = performance.now()
  let due = 0
  let turn = 0
  for (;;) {
    const now = performance.now()
    if (now - startedAt >= plan.durationMs) break
    const target = Math.floor(((now - startedAt) / 1000) * rate)
    for (let tries = 0; due < target && tries < senders.length; tries++) {
      const sender = senders[turn++ % senders.length]!
      const count = Math.min(sender.room, target - due, runMax)
      for (let i = 0; i < count; i++)
        sender.sentAt[(sender.sent + i) % plan.window] = startedAt + ((due + i) / rate) * 1000
      sender.send(count)
      due += count
    }
    await new Promise((done) => setTimeout(done, 1))
  }
  const deadline = performance.now() + 10_000
  while (senders.some(({ inFlight }) => inFlight > 0) && performance.now() < deadline)
    await new Promise((done) => setTimeout(done, 10))
  return latencies
}

function summarise(latencies: number[]): LoadResult['latency'] {
  if (latencies.length === 0) return null
  const sorted = Float64Array.from(latencies).sort()
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
  return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1)! }
}

async function run(plan: LoadPlan): Promise<LoadResult> {
  const senders: Sender[] = []
  for (let at = 0; at < plan.clients.length; at += 100)
    senders.push(...(await Promise.all(plan.clients.slice(at, at + 100).map((client) => open(plan, client)))))
  const startedAt = performance.now()
  const latencies =
    plan.rate === undefined
      ? await asFastAsAcknowledged(senders, plan)
      : await atRate(senders, plan, plan.rate)
  const seconds = (performance.now() - startedAt) / 1000
  for (const { socket } of senders) socket.destroy()
  const total = (field: 'sent' | 'acknowledged') => senders.reduce((sum, sender) => sum + sender[field], 0)
  return { sent: total('sent'), acknowledged: total('acknowledged'), seconds, latency: summarise(latencies) }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const input: Buffer[] = []
  for await (const chunk of process.stdin) input.push(chunk as Buffer)
  console.log(JSON.stringify(await run(JSON.parse(Buffer.concat(input).toString()) as LoadPlan)))
}
