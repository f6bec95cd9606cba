import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Reading } from '@drover/sdk/device'
import type { DeviceReading } from './columns.ts'
import { Replay, type ReplayOptions } from './replay.ts'
import type { Sender } from './sender.ts'

interface Sent {
  readonly device: string
  readonly readings: readonly Reading[]
  acknowledge(): void
  refuse(error: Error): void
}

/** A server whose acknowledgements the test gives. */
function createReceiver(acknowledgeAtOnce: boolean) {
  const sent: Sent[] = []
  const senderOf = async (device: string): Promise<Sender> => ({
    send: (readings) =>
      new Promise((resolve, reject) => {
        sent.push({ device, readings, acknowledge: resolve, refuse: reject })
        if (acknowledgeAtOnce) resolve()
      }),
    room: async () => undefined,
    close: async () => undefined,
  })
  return { sent, senderOf }
}

async function* rowsOf(count: number, devices = 1): AsyncGenerator<string[]> {
  for (let row = 1; row <= count; row++) yield [String(row), `d${row % devices}`]
}

const readRow = ([row, device]: readonly string[]): DeviceReading => ({
  device: device!,
  time: Number(row),
  values: { row: Number(row) },
})

function createReplay(senderOf: ReplayOptions['senderOf'], options: Partial<ReplayOptions> = {}) {
  return new Replay({
    fromRow: 1,
    rowsMax: Number.POSITIVE_INFINITY,
    batch: 1,
    speed: Number.POSITIVE_INFINITY,
    senderOf,
    signal: new AbortController().signal,
    ...options,
  })
}

const rowsSent = (sent: readonly Sent[]) =>
  sent.flatMap(({ readings }) => readings.map(({ values }) => values.row))

test('sends every row once and counts it', async () => {
  const { sent, senderOf } = createReceiver(true)
  const replay = createReplay(senderOf)
  await replay.run(rowsOf(100), readRow)
  assert.deepEqual(
    rowsSent(sent),
    Array.from({ length: 100 }, (_, index) => index + 1),
  )
  const { rows, messagesSent, messagesAcknowledged, nextRow } = replay.counts
  assert.deepEqual(
    { rows, messagesSent, messagesAcknowledged, nextRow },
    {
      rows: 100,
      messagesSent: 100,
      messagesAcknowledged: 100,
      nextRow: 101,
    },
  )
})

test('collects rows into messages by device, the rest at the end', async () => {
  const { sent, senderOf } = createReceiver(true)
  const replay = createReplay(senderOf, { batch: 4 })
  await replay.run(rowsOf(11, 2), readRow)
  assert.deepEqual(
    sent.map(({ device, readings }) => [device, readings.length]),
    [
      ['d1', 4],
      ['d0', 4],
      ['d1', 2],
      ['d0', 1],
    ],
  )
  assert.equal(replay.counts.rowsAcknowledged, 11)
})

test('goes on at a row, for so many rows', async () => {
  const { sent, senderOf } = createReceiver(true)
  await createReplay(senderOf, { fromRow: 5, rowsMax: 3 }).run(rowsOf(100), readRow)
  assert.deepEqual(rowsSent(sent), [5, 6, 7])
})

test('after a failure, the next row is the first that is not acknowledged', async () => {
  const { sent, senderOf } = createReceiver(false)
  const replay = createReplay(senderOf)
  const run = replay.run(rowsOf(4), readRow)
  const failed = assert.rejects(run, /refused/)
  while (sent.length < 4) await new Promise(setImmediate)
  for (const index of [0, 1, 3]) sent[index]!.acknowledge()
  sent[2]!.refuse(new Error('refused'))
  await failed
  assert.equal(replay.counts.messagesAcknowledged, 3)
  assert.equal(replay.counts.nextRow, 3)
})

test('counts the rows that it leaves out', async () => {
  const { senderOf } = createReceiver(true)
  const replay = createReplay(senderOf)
  await replay.run(rowsOf(10), (cells) => (Number(cells[0]) % 2 === 0 ? readRow(cells) : 'noTime'))
  assert.deepEqual(replay.counts.skipped, { noTime: 5, noValues: 0, noDevice: 0 })
  assert.equal(replay.counts.nextRow, 11)
})

test('keeps the rows’ own pace', async () => {
  const { senderOf } = createReceiver(true)
  const startedMs = performance.now()
  await createReplay(senderOf, { speed: 0.5 }).run(rowsOf(50), readRow)
  const elapsedMs = performance.now() - startedMs
  assert.ok(elapsedMs >= 97, `49 ms of data at half speed took ${elapsedMs} ms`)
})

test('stops when it is told to', async () => {
  const controller = new AbortController()
  const { sent, senderOf } = createReceiver(true)
  const replay = createReplay(senderOf, { signal: controller.signal })
  await replay.run(rowsOf(100), (cells) => {
    if (cells[0] === '10') controller.abort()
    return readRow(cells)
  })
  assert.deepEqual(rowsSent(sent), [1, 2, 3, 4, 5, 6, 7, 8, 9])
  assert.equal(replay.counts.nextRow, 10)
})
