import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { Admin } from '@platformatic/kafka'
import { kafkaUser, startKafka } from '../../../../tests/support/services/kafka.ts'
import { eventually } from '../../../../tests/support/wait.ts'
import { BatchWriter, channels, contentTypes, ReceiptClock, RecordCursor, type SealedBatch } from './batch.ts'
import { openKafkaQueue } from './kafka.ts'
import { queueContract } from './queue.contract.ts'
import type { Delivery, Queue, StoredPosition } from './queue.ts'

const kafka = await startKafka()
after(() => kafka[Symbol.asyncDispose]())

const declared = { startAtPosition: true, partitions: 'many', retention: 'time' } as const
const freshUrl = (partitions: number) => `${kafka.url}/t-${randomUUID()}?partitions=${partitions}`
const timeout = 120_000

queueContract(
  'kafka',
  () => {
    const url = freshUrl(1)
    return {
      open: () => openKafkaQueue({ url }),
      fail: () => kafka.kill(),
      recover: () => kafka.restart(),
    }
  },
  declared,
)

const clock = new ReceiptClock(new SharedArrayBuffer(8), () => Date.now() * 1000)
const code = (expected: string) => (error: unknown) => isDroverError(error) && error.code === expected

/** Batches with a record of each of so many devices; the payload is the batch's number. */
function fleet(devices: number) {
  const writer = new BatchWriter(randomBytes(8), clock)
  let number = 0
  return () => {
    for (let uid = 1; uid <= devices; uid++)
      writer.add(1, uid, channels.telemetry, contentTypes.json, 0, '', Buffer.from(String(number)))
    number++
    return writer.seal()
  }
}

/** Appends, as a gateway does, until it is accepted. */
const persistently = (queue: Queue, { bytes, count }: SealedBatch) =>
  eventually(() => queue.append({ bytes: bytes.slice(), count }).then(() => true), {
    deadlineMs: timeout,
    everyMs: 100,
  })

/** A store for several consumers of one name: values by device, and positions, which move as they should. */
class Store {
  readonly values = new Map<number, number[]>()
  readonly partitions = new Map<number, number>()
  readonly positions = new Map<number, StoredPosition>()
  count = 0

  /** Consumes until the consumer is closed. */
  async consume(queue: Queue) {
    const owned = new Set<number>()
    let storing = Promise.resolve()
    const consumer = await queue.consume({
      consumer: 'store',
      nextBytesMax: 1 << 20,
      after: async (partition) => this.positions.get(partition),
      // As processing does: what was taken is stored first.
      onLost: async (partitions) => {
        await storing
        for (const partition of partitions) owned.delete(partition)
      },
    })
    const store = async (deliveries: readonly Delivery[]) => {
      for (const { partition, identity, firstPosition, count, bytes } of deliveries) {
        owned.add(partition)
        const { position } = this.positions.get(partition) ?? { position: 0 }
        assert.ok(firstPosition > position, `${firstPosition} comes after ${position}`)
        this.#store(partition, bytes)
        this.positions.set(partition, { identity, position: firstPosition + count - 1 })
        await consumer.commit(partition, firstPosition + count - 1)
      }
    }
    const run = async () => {
      for (;;) {
        const deliveries = await consumer.next()
        if (deliveries.length === 0) return
        storing = store(deliveries)
        await storing
      }
    }
    return { consumer, owned, done: run() }
  }

  #store(partition: number, bytes: Uint8Array): void {
    const cursor = new RecordCursor(bytes)
    while (cursor.next()) {
      const values = this.values.get(cursor.deviceUid) ?? []
      values.push(Number(cursor.payload))
      this.values.set(cursor.deviceUid, values)
      assert.equal(
        this.partitions.get(cursor.deviceUid) ?? partition,
        partition,
        'a device keeps its partition',
      )
      this.partitions.set(cursor.deviceUid, partition)
      this.count++
    }
  }

  /** Each device has sent this many values, and all of them are there once and in order. */
  check(devices: number, each: number): void {
    const numbers = Array.from({ length: each }, (_, number) => number)
    for (let uid = 1; uid <= devices; uid++) assert.deepEqual(this.values.get(uid), numbers)
  }
}

test('kafka: devices keep their order over partitions, and lag is what is not committed', {
  timeout,
}, async () => {
  const queue = await openKafkaQueue({ url: freshUrl(4) })
  const batch = fleet(20)
  await Promise.all(Array.from({ length: 30 }, () => queue.append(batch())))
  const store = new Store()
  const { done } = await store.consume(queue)
  await eventually(() => store.count === 600)
  store.check(20, 30)
  assert.equal(new Set(store.partitions.values()).size, 4)
  await eventually(async () => (await queue.status()).committed.store === 600)
  const { nextPosition } = await queue.status()
  assert.equal(nextPosition, 601)
  await queue.close()
  await done
})

test('kafka: consumers of one name share the partitions and take over from each other under load', {
  timeout,
}, async () => {
  const url = freshUrl(6)
  const queues = await Promise.all([1, 2, 3].map(() => openKafkaQueue({ url })))
  const [producing, first, second] = queues as [Queue, Queue, Queue]
  const batch = fleet(30)
  const store = new Store()
  let batches = 0
  const feed = async (until: () => boolean) => {
    do {
      await producing.append(batch())
      batches++
    } while (!until())
  }
  const one = await store.consume(first)
  await feed(() => one.owned.size === 6)
  const two = await store.consume(second)
  await feed(() => two.owned.size === 3 && one.owned.size === 3)
  await second.close()
  await two.done
  await feed(() => one.owned.size === 6)
  await eventually(() => store.count === 30 * batches)
  store.check(30, batches)
  await Promise.all(queues.map((queue) => queue.close()))
  await one.done
})

test('kafka: a broker that hangs or dies under load costs nothing, and nothing is given twice', {
  timeout,
}, async () => {
  const queue = await openKafkaQueue({ url: freshUrl(3), requestTimeoutMs: 1_000 })
  const store = new Store()
  const { done } = await store.consume(queue)
  const batch = fleet(10)
  const faults: Readonly<Record<number, () => Promise<void> | void>> = {
    20: () => kafka.pause(),
    40: () => kafka.kill(),
  }
  for (let round = 0; round < 60; round++) {
    const fault = faults[round]
    if (fault) {
      await fault()
      await assert.rejects(queue.append(batch()), code('queueUnavailable'))
      if (round === 20) kafka.resume()
      else await kafka.restart()
    }
    await persistently(queue, batch())
  }
  // What was refused may have been written all the same, but only once, and in its place.
  const last = 61
  await eventually(
    () => store.values.size === 10 && [...store.values.values()].every((all) => all.at(-1) === last),
    {
      deadlineMs: 30_000,
    },
  )
  for (const all of store.values.values()) {
    assert.deepEqual(
      all,
      [...new Set(all)].sort((a, b) => a - b),
    )
    assert.ok(all.length >= 60)
  }
  await queue.close()
  await done
})

test('kafka: a batch whose answer was lost is appended again, and given once', { timeout }, async () => {
  const queue = await openKafkaQueue({ url: freshUrl(2), requestTimeoutMs: 1_000 })
  const store = new Store()
  const { done } = await store.consume(queue)
  const batch = fleet(10)
  await queue.append(batch())
  kafka.pause()
  const again = batch()
  await assert.rejects(
    queue.append({ bytes: again.bytes.slice(), count: again.count }),
    code('queueUnavailable'),
  )
  kafka.resume()
  await persistently(queue, again)
  await persistently(queue, batch())
  await eventually(
    () => store.values.size === 10 && [...store.values.values()].every((all) => all.at(-1) === 2),
  )
  store.check(10, 3)
  await queue.close()
  await done
})

test('kafka: batches larger than a request go in several, and each record stays whole', {
  timeout,
}, async () => {
  const queue = await openKafkaQueue({ url: freshUrl(2) })
  const writer = new BatchWriter(randomBytes(8), clock)
  const payload = (uid: number) => Buffer.alloc(200_000, uid)
  for (let uid = 1; uid <= 60; uid++)
    writer.add(1, uid, channels.telemetry, contentTypes.unknown, 0, '', payload(uid))
  await queue.append(writer.seal())
  const consumer = await queue.consume({
    consumer: 'store',
    after: async () => undefined,
    nextBytesMax: 1 << 20,
  })
  const seen = new Set<number>()
  while (seen.size < 60)
    for (const { bytes } of await consumer.next()) {
      const cursor = new RecordCursor(bytes)
      while (cursor.next()) {
        assert.ok(cursor.payload.equals(payload(cursor.deviceUid)))
        seen.add(cursor.deviceUid)
      }
    }
  await queue.close()
})

test('kafka: a topic that would lose or refuse messages is refused, an unsafe one is told', {
  timeout,
}, async () => {
  await using admin = Object.assign(new Admin({ clientId: 'test', bootstrapBrokers: [kafka.address] }), {
    async [Symbol.asyncDispose]() {
      await admin.close()
    },
  })
  const open = async (configs: Record<string, string>) => {
    const topic = randomUUID()
    const list = Object.entries(configs).map(([name, value]) => ({ name, value }))
    await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1, configs: list })
    const warnings: string[] = []
    const queue = await openKafkaQueue({
      url: `${kafka.url}/${topic}`,
      onWarning: (warning) => warnings.push(warning),
    })
    await queue.close()
    return warnings.join(' ')
  }
  await assert.rejects(open({ 'cleanup.policy': 'compact' }), code('badConfiguration'))
  await assert.rejects(open({ 'min.insync.replicas': '2' }), code('badConfiguration'))
  await assert.rejects(open({ 'max.message.bytes': '1000' }), code('badConfiguration'))
  assert.match(await open({ 'retention.ms': '60000' }), /one replica.*less than a day/)
})

test('kafka: speaks TLS, and names itself by PLAIN and SCRAM', { timeout }, async () => {
  await kafka.stop()
  await using secure = await startKafka({ sasl: true, tls: true })
  const { username, password } = kafkaUser
  const at = (user: string, parameters: string) =>
    `kafka://${user}@${secure.address}/own?partitions=1&ca=${encodeURIComponent(secure.certificate)}&sasl=${parameters}`
  for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512']) {
    const queue = await openKafkaQueue({ url: at(`${username}:${password}`, mechanism) })
    await queue.append(fleet(1)())
    await queue.close()
  }
  const queue = await openKafkaQueue({ url: at(username, 'scram-sha-512'), password })
  const store = new Store()
  const { done } = await store.consume(queue)
  await eventually(() => store.count === 3)
  await queue.close()
  await done
  await assert.rejects(
    openKafkaQueue({ url: at(`${username}:wrong`, 'scram-sha-512') }),
    code('badConfiguration'),
  )
  await assert.rejects(
    openKafkaQueue({ url: `kafka://${username}:${password}@${secure.address}/own?ssl=true` }),
    code('queueUnavailable'),
  )
})
