import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { generate, type Packet } from 'mqtt-packet'
import { eventually } from '../../../../../tests/support/wait.ts'
import { connectPacket, publishPacket, startTestGateway, type TestGateway, testDevice } from '../test-kit.ts'

/** More in the longer tests: DROVER_FUZZ_PACKETS=100000. A failure is repeated with the seed that is printed. */
const packetsTotal = Number(process.env.DROVER_FUZZ_PACKETS ?? 10_000)
const seed = Number(process.env.DROVER_FUZZ_SEED ?? 20_261_122)
const wiresAtATime = 16
/** Few, as the first wrong one ends the connection. */
const packetsPerWire = 3
/** What a heap may differ by: a connection that stayed would keep its socket, of some KB, thousands of times. */
const heapGrowthBytesMax = 4_000_000

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

type Random = () => number

/** mulberry32: small, and the same everywhere. 0 ≤ random() < 1. */
function randomFrom(start: number): Random {
  let state = start
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const below = (random: Random, limit: number) => Math.floor(random() * limit)
const oneOf = <T>(random: Random, all: readonly T[]): T => all[below(random, all.length)]!

const properties = { topicAlias: 1, contentType: 'application/json', userProperties: { a: 'b' } }
const correct: readonly Packet[] = [
  {
    cmd: 'publish',
    qos: 1,
    messageId: 1,
    topic: 'me/telemetry',
    dup: false,
    retain: false,
    payload: '{"t":1}',
    properties,
  },
  { cmd: 'pubrel', messageId: 1 },
  {
    cmd: 'subscribe',
    messageId: 2,
    subscriptions: [
      { topic: 'me/#', qos: 1 },
      { topic: '$share/a/b', qos: 0 },
    ],
  },
  { cmd: 'unsubscribe', messageId: 3, unsubscriptions: ['a'] },
  { cmd: 'pingreq' },
  { cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 5 } },
  { cmd: 'auth', reasonCode: 0x18, properties: { authenticationMethod: 'x' } },
]
const corpus = [
  connectPacket(),
  connectPacket({ protocolVersion: 4, clientId: '' }),
  connectPacket({
    will: { topic: 'a', payload: 'b', qos: 1 },
    properties: { sessionExpiryInterval: 10, receiveMaximum: 5 },
  }),
  ...[4, 5].flatMap((version) =>
    ([0, 1, 2] as const).map((qos) => publishPacket({ qos, id: qos + 1, version: version as 4 | 5 })),
  ),
  ...correct.map((packet) => generate(packet, { protocolVersion: 5 })),
]

const mutations: readonly ((bytes: Buffer, random: Random) => Buffer)[] = [
  function flipBit(bytes, random) {
    bytes[below(random, bytes.length)]! ^= 1 << below(random, 8)
    return bytes
  },
  function setByte(bytes, random) {
    bytes[below(random, bytes.length)] = oneOf(random, [0, 1, 0x7f, 0x80, 0xfe, 0xff, below(random, 256)])
    return bytes
  },
  function setLength(bytes, random) {
    bytes[1] = below(random, 256)
    return bytes
  },
  function cut(bytes, random) {
    return bytes.subarray(0, 1 + below(random, bytes.length))
  },
  function remove(bytes, random) {
    const at = below(random, bytes.length)
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(random, 4))])
  },
  function insert(bytes, random) {
    const at = below(random, bytes.length)
    const more = Buffer.from(Array.from({ length: 1 + below(random, 16) }, () => below(random, 256)))
    return Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)])
  },
  function splice(bytes, random) {
    const other = oneOf(random, corpus)
    return Buffer.concat([
      bytes.subarray(0, below(random, bytes.length)),
      other.subarray(below(random, other.length)),
    ])
  },
]

function mutated(random: Random): Buffer {
  let bytes = Buffer.from(oneOf(random, corpus))
  for (let times = below(random, 4); times > 0 && bytes.length > 0; times--)
    bytes = Buffer.from(oneOf(random, mutations)(bytes, random))
  return bytes
}

/** One wire: mostly a good CONNECT, then mutated packets, cut into chunks anywhere; then it is cut off. */
async function misbehave(port: number, random: Random): Promise<void> {
  const version = random() < 0.5 ? 4 : 5
  const begin =
    random() < 0.9
      ? connectPacket({ protocolVersion: version, clientId: `c${below(random, 12)}` })
      : mutated(random)
  const stream = Buffer.concat([begin, ...Array.from({ length: packetsPerWire - 1 }, () => mutated(random))])
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => {})
  const closed = once(socket, 'close').catch(() => {})
  socket.resume()
  await once(socket, 'connect')
  for (let at = 0; at < stream.length && !socket.destroyed; ) {
    const until = at + 1 + below(random, stream.length)
    socket.write(stream.subarray(at, until))
    at = until
    await new Promise(setImmediate)
  }
  socket.end()
  if (random() < 0.5) socket.destroy()
  await closed
}

async function storm(port: number, random: Random, packets: number): Promise<void> {
  let left = Math.ceil(packets / packetsPerWire)
  const lane = async () => {
    while (left-- > 0) await misbehave(port, random)
  }
  await Promise.all(Array.from({ length: wiresAtATime }, lane))
}

/** Publishes one message after the other until it is told to stop; answers with how many were acknowledged. */
async function behave(t: TestContext, gateway: TestGateway, stop: AbortSignal): Promise<number> {
  const client = await gateway.wire()
  client.send(connectPacket({}, testDevice(2)))
  await client.next('connack')
  t.after(() => client.socket.destroy())
  let count = 0
  while (!stop.aborted) {
    client.send(publishPacket({ id: 1 + (count % 1_000), payload: `${count}` }))
    await client.next('puback')
    count++
  }
  return count
}

async function heapOf({ gateway }: TestGateway): Promise<number> {
  await eventually(() => gateway.metrics().wires === 1, { deadlineMs: 30_000 })
  await eventually(() => gateway.metrics().pendingBytes === 0)
  collectGarbage()
  return process.memoryUsage().heapUsed
}

test(`${packetsTotal} mutated packets crash nothing, leak nothing and touch nobody else`, async (t) => {
  t.diagnostic(`DROVER_FUZZ_SEED=${seed}`)
  const stored: string[] = []
  const gateway = await startTestGateway(t)
  const random = randomFrom(seed)
  const stop = new AbortController()
  const behaving = behave(t, gateway, stop.signal)
  const collect = async () => {
    for (const { deviceUid, text } of await gateway.records()) if (deviceUid === 2) stored.push(text)
  }
  await storm(gateway.port, random, packetsTotal / 5)
  await collect()
  const before = await heapOf(gateway)
  const storedBefore = stored.length
  await storm(gateway.port, random, (packetsTotal * 4) / 5)
  await collect()
  const after = await heapOf(gateway)
  stop.abort()
  const acknowledged = await behaving
  await collect()
  assert.deepEqual(
    stored.map(Number),
    Array.from({ length: acknowledged }, (_, index) => index),
  )
  assert.ok(stored.length > storedBefore + 50, `${stored.length} messages of the device that behaves`)
  const failures = gateway.notices.filter(({ level }) => level === 'error')
  assert.deepEqual(failures, [])
  assert.ok(after - before < heapGrowthBytesMax, `the heap grew by ${after - before} bytes`)
  const { ended } = gateway.gateway.metrics()
  assert.ok(ended.protocolError! > packetsTotal / packetsPerWire / 4, JSON.stringify(ended))
  assert.equal(gateway.directory.connection(1).online, false)
  t.diagnostic(
    `${acknowledged} messages of the device that behaves; heap ${before} → ${after}; ${JSON.stringify(ended)}`,
  )
})
