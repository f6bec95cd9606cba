import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { Connection } from 'rabbitmq-client'
import { rabbitmqUser, startRabbitmq } from '../../../../tests/support/services/rabbitmq.ts'
import { eventually } from '../../../../tests/support/wait.ts'
import { BatchWriter, channels, contentTypes, ReceiptClock, RecordCursor } from './batch.ts'
import { deliveredQueueContract } from './queue.delivered.contract.ts'
import type { Consumer, Queue } from './queue.ts'
import { openRabbitmqQueue } from './rabbitmq.ts'

const service = await startRabbitmq()
after(() => service[Symbol.asyncDispose]())

let queues = 0
const freshUrl = (parameters = 'partitions=2') => `${service.url}?name=q${queues++}&${parameters}`
const timeout = 120_000

deliveredQueueContract('rabbitmq', () => {
  const url = freshUrl()
  return {
    open: ({ bytesMax = 1 << 30 } = {}) =>
      openRabbitmqQueue({ url: `${url}&bytesMax=${bytesMax}`, confirmTimeoutMs: 1_000 }),
    fail: () => service.pause(),
    recover: () => service.resume(),
  }
})

const clock = new ReceiptClock(new SharedArrayBuffer(8), () => Date.now() * 1000)
const code = (expected: string) => (error: unknown) => isDroverError(error) && error.code === expected

/** Batches with a record of each of so many devices, whose payloads are numbers from 0 on. */
function fleet(devices: number) {
  const writer = new BatchWriter(randomBytes(8), clock)
  let number = 0
  return () => {
    for (let uid = 1; uid <= devices; uid++)
      writer.add(1, uid, channels.telemetry, contentTypes.json, 0, '', Buffer.from(String(number++)))
    return writer.seal()
  }
}

/** Appends, as a gateway does, until it is accepted. */
async function persistently(queue: Queue, { bytes, count }: ReturnType<ReturnType<typeof fleet>>) {
  await eventually(() => queue.append({ bytes: bytes.slice(), count }).then(() => true), {
    deadlineMs: timeout,
    everyMs: 100,
  })
}

/** A store of its own for what a consumer gives: versions and values by device, and positions. */
function storing(consumer: Consumer) {
  const values: { readonly uid: number; readonly version: number; readonly value: number }[] = []
  const positions = new Map<number, number>()
  const done = (async () => {
    for (;;) {
      const deliveries = await consumer.next()
      if (deliveries.length === 0) return
      for (const { partition, bytes, count, firstPosition, firstVersion } of deliveries) {
        assert.ok(firstPosition > (positions.get(partition) ?? 0))
        const cursor = new RecordCursor(bytes)
        while (cursor.next())
          values.push({
            uid: cursor.deviceUid,
            version: firstVersion! + cursor.index,
            value: Number(cursor.payload),
          })
        positions.set(partition, firstPosition + count - 1)
      }
      for (const [partition, position] of positions) await consumer.commit(partition, position)
    }
  })()
  return { values, positions, done }
}

const consume = (queue: Queue, positions = new Map<number, number>()) =>
  queue.consume({
    consumer: 'store',
    nextBytesMax: 1 << 20,
    after: async (partition) => {
      const position = positions.get(partition)
      return position === undefined ? undefined : { identity: 'rabbitmq', position }
    },
  })

const numbersTo = (count: number) => Array.from({ length: count }, (_, number) => number)
const sorted = (values: readonly { readonly value: number }[]) =>
  values.map(({ value }) => value).sort((a, b) => a - b)

/**
 * Queues that the broker does not forget when it is killed: 3.10 notes down that a queue exists some time after it has said so,
 * at the latest when it stops.
 */
async function settledUrl(parameters: string): Promise<string> {
  const url = freshUrl(parameters)
  await (await openRabbitmqQueue({ url })).close()
  await service.restart()
  return url
}

test('what was acknowledged is there after the broker was killed, and clients come back by themselves', {
  timeout,
}, async () => {
  const queue = await openRabbitmqQueue({ url: await settledUrl('partitions=3'), confirmTimeoutMs: 2_000 })
  const batch = fleet(7)
  for (let each = 0; each < 20; each++) await queue.append(batch())
  await service.kill()
  await assert.rejects(queue.append(batch()), code('queueUnavailable'))
  await service.restart()
  const consumer = await eventually(() => consume(queue), { deadlineMs: 30_000 })
  const { values, done } = storing(consumer)
  await persistently(queue, batch())
  await eventually(() => values.length >= 21 * 7)
  assert.deepEqual(sorted(values), [...numbersTo(20 * 7), ...numbersTo(22 * 7).slice(21 * 7)])
  await consumer.close()
  await done
  await queue.close()
})

test('a broker that is killed and restarted under load loses nothing, and each record keeps its one version', {
  timeout,
}, async () => {
  const queue = await openRabbitmqQueue({
    url: await settledUrl('partitions=3&prefetch=8'),
    confirmTimeoutMs: 2_000,
  })
  const consumer = await consume(queue)
  const { values, done } = storing(consumer)
  const batch = fleet(5)
  const rounds = 200
  for (let round = 0; round < rounds; round++) {
    if (round === 60) await service.kill()
    const appending = persistently(queue, batch())
    if (round === 60) await service.restart()
    await appending
  }
  const versions = () => new Map(values.map(({ version, value }) => [version, value]))
  await eventually(() => versions().size >= rounds * 5, { deadlineMs: 30_000 })
  assert.deepEqual(
    [...versions().values()].sort((a, b) => a - b),
    numbersTo(rounds * 5),
  )
  for (let uid = 1; uid <= 5; uid++) {
    const own = [
      ...new Map(values.filter((each) => each.uid === uid).map((each) => [each.version, each])).values(),
    ]
    assert.deepEqual(
      own,
      [...own].sort((a, b) => a.version - b.version),
      'the order of a device',
    )
  }
  await eventually(async () => (await queue.status()).nextPosition === 1)
  await consumer.close()
  await done
  await queue.close()
})

test('what nobody can store is a dead letter after so many deliveries, and what is no batch at once', {
  timeout,
}, async () => {
  const url = freshUrl('partitions=1&deliveries=3')
  const prefix = new URL(url).searchParams.get('name')
  const queue = await openRabbitmqQueue({ url })
  await queue.append(fleet(1)())
  await queue.close()
  for (let delivery = 0; delivery <= 3; delivery++) {
    const again = await openRabbitmqQueue({ url })
    const [poison] = await (await consume(again)).next()
    assert.equal(poison?.count, 1)
    // It dies of it.
    await again.close()
  }
  await using connection = disposable(new Connection(service.url))
  const last = await openRabbitmqQueue({ url })
  const consumer = await consume(last)
  await connection
    .createPublisher({ confirm: true })
    .send({ routingKey: `${prefix}.telemetry.0`, durable: true }, Buffer.from('something else'))
  await last.append(fleet(1)())
  assert.equal((await consumer.next()).length, 1)
  const dead = `${prefix}.dead`
  await eventually(
    async () => (await connection.queueDeclare({ queue: dead, passive: true })).messageCount === 2,
  )
  assert.equal(new RecordCursor((await connection.basicGet(dead))!.body).count, 1)
  assert.equal((await connection.basicGet(dead))!.body.toString(), 'something else')
  await last.close()
})

function disposable(connection: Connection): Connection & AsyncDisposable {
  return Object.assign(connection, { [Symbol.asyncDispose]: async () => connection.unsafeDestroy() })
}

test('refuses at the start what somebody has to change: password, parameters, queues of other settings', {
  timeout,
}, async () => {
  const { password } = rabbitmqUser
  const open = (url: string) => openRabbitmqQueue({ url })
  await assert.rejects(open(service.url.replace(password, 'wrong')), (error) => {
    assert.ok(code('badConfiguration')(error))
    assert.match(String(error), /ACCESS_REFUSED/)
    return true
  })
  await assert.rejects(open(`${service.url}?prefetch=none`), code('badConfiguration'))
  await assert.rejects(open(`${service.url}?colour=red`), code('badConfiguration'))
  const url = freshUrl('partitions=1')
  await (await open(url)).close()
  await assert.rejects(open(`${url}&deliveries=4`), code('badConfiguration'))
})

test('speaks TLS, and trusts the authority that it was given only', { timeout }, async () => {
  await using secure = await startRabbitmq({ tls: true })
  const queue = await openRabbitmqQueue({ url: `${secure.url}?ca=${encodeURIComponent(secure.certificate)}` })
  await queue.append(fleet(1)())
  assert.equal((await (await consume(queue)).next()).length, 1)
  await queue.close()
  await assert.rejects(openRabbitmqQueue({ url: secure.url }), code('queueUnavailable'))
})
