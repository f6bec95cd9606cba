import { once } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { DroverError, formatDeviceToken } from '@drover/protocol'
import { generate, type IConnectPacket, type Packet, parser } from 'mqtt-packet'
import { ReceiptClock, RecordCursor } from '../queue/batch.ts'
import { createMemoryQueue, type MemoryQueue } from '../queue/memory.ts'
import type { Queue } from '../queue/queue.ts'
import { systemClock } from '../runtime/clock.ts'
import { createBootId } from '../runtime/ids.ts'
import { createDirectory, type Directory, type RestoredSession } from './directory.ts'
import type { DeviceAuthenticator, DeviceCredentials, DeviceIdentity } from './identity.ts'
import { createMqttServer, listen } from './listen.ts'
import { startLocalGateway } from './local-gateway.ts'
import type { MqttGateway } from './mqtt/gateway.ts'
import type { Notice } from './notices.ts'

/** A device of the tests. */
export interface TestDevice extends DeviceIdentity {
  readonly token: string
}

/** Device number `uid`, called `device-<uid>`; its token is made from the number. */
export function testDevice(uid: number): TestDevice {
  const keyId = `key${uid}`.padEnd(16, '0')
  const token = formatDeviceToken({ keyId, secret: `${uid}`.padStart(43, '0') })
  return { tenant: 1, deviceUid: uid, deviceId: `device-${uid}`, keyId, token }
}

/** Knows every `testDevice`, until it is told otherwise. */
export class TestAuthenticator implements DeviceAuthenticator {
  readonly revoked = new Set<string>()

  async authenticate({ deviceId, token }: DeviceCredentials): Promise<DeviceIdentity> {
    if (token === '') throw new DroverError('unauthenticated')
    const { token: known, ...identity } = testDevice(Number(token.slice(-43)))
    if (token !== known || this.revoked.has(identity.keyId)) throw new DroverError('badCredentials')
    if (deviceId !== undefined && deviceId !== identity.deviceId) throw new DroverError('badCredentials')
    return identity
  }
}

export interface TestRecord {
  readonly deviceUid: number
  readonly channel: number
  readonly contentType: number
  readonly flags: number
  readonly key: string
  readonly text: string
}

/** What the queue has got so far; each call gives what is new. */
export function readerOf(queue: Queue): () => Promise<TestRecord[]> {
  const consumer = queue.consume({ consumer: 'test', after: async () => undefined, nextBytesMax: 1e9 })
  return async () => {
    const { nextPosition, committed } = await queue.status()
    if ((committed.test ?? 0) >= nextPosition - 1) return []
    const deliveries = await (await consumer).next()
    for (const { firstPosition, count } of deliveries)
      await (await consumer).commit(0, firstPosition + count - 1)
    return deliveries.flatMap(({ bytes }) => recordsOf(bytes))
  }
}

export function recordsOf(bytes: Uint8Array): TestRecord[] {
  const cursor = new RecordCursor(bytes)
  const records: TestRecord[] = []
  while (cursor.next()) {
    const { deviceUid, channel, contentType, flags, key, payload } = cursor
    records.push({ deviceUid, channel, contentType, flags, key, text: payload.toString() })
  }
  return records
}

/** Holds appends back until they are released, from then on none. */
export function holdingQueue() {
  const { promise, resolve } = Promise.withResolvers<void>()
  const wrap = (queue: Pick<Queue, 'append'>): Pick<Queue, 'append'> => ({
    append: async (batch) => promise.then(() => queue.append(batch)),
  })
  return { wrap, release: resolve }
}

export interface TestGatewayOptions {
  /** Stands before the memory queue. */
  readonly wrap?: (queue: MemoryQueue) => Pick<Queue, 'append'>
  readonly restored?: RestoredSession[]
  readonly nowMs?: () => number
  readonly pendingBytesMax?: number
}

export interface TestGateway {
  readonly port: number
  readonly gateway: MqttGateway
  readonly queue: MemoryQueue
  readonly directory: Directory
  readonly authenticator: TestAuthenticator
  readonly notices: Notice[]
  /** Records that came since the last call. */
  records(): Promise<TestRecord[]>
  client(options?: Partial<IConnectPacket>): Promise<RawClient>
  wire(protocolVersion?: 4 | 5): Promise<RawClient>
}

/** A gateway over TCP in this process, with a queue in memory; ends with the test. */
export async function startTestGateway(
  t: TestContext,
  options: TestGatewayOptions = {},
): Promise<TestGateway> {
  const queue = createMemoryQueue()
  const authenticator = new TestAuthenticator()
  const directory = createDirectory({ authenticator, restored: options.restored })
  const notices: Notice[] = []
  const { gateway, close } = startLocalGateway({
    queue: options.wrap?.(queue) ?? queue,
    clock: new ReceiptClock(new SharedArrayBuffer(8), systemClock.nowMicros),
    bootId: createBootId(),
    attach: (sessions) => directory.attach(sessions),
    notice: (notice) => notices.push(notice),
    nowMs: options.nowMs,
    pendingBytesMax: options.pendingBytesMax,
  })
  const server = createMqttServer(gateway)
  const port = await listen(server, { host: '127.0.0.1', port: 0 })
  t.after(async () => {
    server.close()
    queue.recover()
    await close(200)
  })
  const wire = (protocolVersion?: 4 | 5) => RawClient.connect(port, t, protocolVersion)
  return {
    port,
    gateway,
    queue,
    directory,
    authenticator,
    notices,
    records: readerOf(queue),
    wire,
    async client(packet = {}) {
      const client = await wire(packet.protocolVersion === 4 ? 4 : 5)
      client.send(connectPacket(packet))
      await client.next('connack')
      return client
    },
  }
}

/** CONNECT of device 1 over MQTT 5.0, unless said otherwise. */
export function connectPacket(packet: Partial<IConnectPacket> = {}, device = testDevice(1)): Buffer {
  const full: IConnectPacket = {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 5,
    clean: true,
    clientId: 'client',
    keepalive: 60,
    username: device.deviceId,
    password: Buffer.from(device.token),
    ...packet,
  }
  return generate(full, { protocolVersion: full.protocolVersion })
}

export interface PublishFields {
  readonly qos?: 0 | 1 | 2
  readonly id?: number
  readonly topic?: string
  readonly dup?: boolean
  readonly version?: 4 | 5
  readonly payload?: string
}

export function publishPacket({
  qos = 1,
  id = 1,
  topic = 'me/telemetry',
  dup = false,
  version = 5,
  payload = '{"a":1}',
}: PublishFields = {}): Buffer {
  return generate(
    { cmd: 'publish', qos, messageId: qos === 0 ? undefined : id, topic, dup, retain: false, payload },
    { protocolVersion: version },
  )
}

/** A client that sends any bytes and reads packets; knows no rules. */
export class RawClient {
  readonly socket: Socket
  readonly received: Packet[] = []
  readonly closed: Promise<unknown>
  #wake = () => {}

  static async connect(port: number, t: TestContext, protocolVersion = 5): Promise<RawClient> {
    const socket = connectSocket({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    t.after(() => socket.destroy())
    return new RawClient(socket, protocolVersion)
  }

  constructor(socket: Socket, protocolVersion: number) {
    this.socket = socket
    const packets = parser({ protocolVersion })
    packets.on('packet', (packet) => {
      this.received.push(packet)
      this.#wake()
    })
    packets.on('error', (error) => socket.destroy(error))
    socket.on('data', (chunk) => packets.parse(chunk as Buffer))
    socket.on('error', () => {})
    this.closed = new Promise((resolve) => socket.on('close', () => resolve(this.#wake())))
  }

  send(...packets: Uint8Array[]): void {
    for (const packet of packets) this.socket.write(packet)
  }

  /** The next packet, which must be of that kind; fails when the wire closes or 5 s pass. */
  async next<C extends Packet['cmd']>(cmd: C): Promise<Extract<Packet, { cmd: C }>> {
    const deadline = performance.now() + 5_000
    while (this.received.length === 0) {
      if (this.socket.destroyed) throw new Error(`the connection closed while ${cmd} was awaited`)
      if (performance.now() > deadline) throw new Error(`no ${cmd} came`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    const packet = this.received.shift()!
    if (packet.cmd !== cmd) throw new Error(`${packet.cmd} came instead of ${cmd}: ${JSON.stringify(packet)}`)
    return packet as Extract<Packet, { cmd: C }>
  }
}
