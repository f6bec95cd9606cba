/** The disk runs full while devices send, and gets space again. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { statfsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { storedPoints } from '../support/expectation.ts'
import { openPublisher } from '../support/publisher.ts'
import { startServer } from '../support/server.ts'
import { eventually } from '../support/wait.ts'

const diskBytes = 200_000_000
const ballastBytes = 80_000_000
const reserveBytes = 60_000_000
const startMs = Date.UTC(2026, 0, 1)
/** Numbers whose message takes its place in the log, and only a little in the store. */
const padding = ' '.repeat(10_000)

const directory = await mkdtemp(join(tmpdir(), 'drover-disk-'))
const mounted =
  process.platform === 'linux' &&
  spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', directory]).status === 0
const skip = mounted ? false : 'only root on Linux, outside most containers, may mount a small disk'
const ballast = join(directory, 'ballast')

before(() => mounted && writeFile(ballast, Buffer.alloc(ballastBytes)))
after(async () => {
  if (mounted) spawnSync('umount', ['-l', directory])
  await rm(directory, { recursive: true, force: true })
})

const freeBytes = () => {
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize
}

test('below the reserve nothing is acknowledged; with space again, everything goes on by itself', {
  skip,
}, async (t) => {
  const flags = ['--disk-reserve-bytes', String(reserveBytes)]
  await using server = await startServer({ dataDirectory: join(directory, 'data'), flags })
  const { token } = await server.client.devices.create({ id: 'disk' })
  const post = async () => {
    const response = await fetch(`${server.http}/api/v1/ingest/telemetry`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: '{"posted":1}',
    })
    const { error } = (await response.json()) as { error?: { code: string } }
    return { status: response.status, code: error?.code }
  }
  assert.equal((await post()).status, 202)

  const acknowledged = new Set<number>()
  let end = Number.POSITIVE_INFINITY
  const publisher = await openPublisher({
    url: server.mqtt,
    device: 'disk',
    token,
    window: 50,
    next: (n) => (n < end ? Buffer.from(`{"ts":${startMs + n},"values":{"n":${n}}}${padding}`) : undefined),
    onAcknowledged: (n) => acknowledged.add(n),
  })
  let closed = false
  void publisher.closed.then(() => {
    closed = true
  })

  // What others write fills the disk to below the reserve.
  await eventually(() => acknowledged.size > 500)
  const more = freeBytes() - reserveBytes + 8_000_000
  await writeFile(join(directory, 'more'), Buffer.alloc(Math.max(0, more)))
  await eventually(async () => (await post()).status === 507, { deadlineMs: 20_000 })
  assert.deepEqual(await post(), { status: 507, code: 'diskReserveReached' })
  const refusedAt = acknowledged.size
  await assert.rejects(
    eventually(() => acknowledged.size > refusedAt + 50, { deadlineMs: 1_500 }),
    /Not so within/,
    'messages are acknowledged below the reserve',
  )
  assert.equal(closed, false, 'the device is held back, not cut off')
  t.diagnostic(`${refusedAt} acknowledged before the reserve, ${freeBytes()} bytes free`)

  await rm(ballast)
  await eventually(() => acknowledged.size > refusedAt + 500, { deadlineMs: 20_000 })
  assert.equal(closed, false)
  assert.equal((await post()).status, 202)
  end = 0
  await publisher.end()
  await eventually(
    async () => {
      const stored = await storedPoints(server.client, 'disk', 'n')
      const numbers = new Map(stored.map(([time, n]) => [n, time]))
      for (const n of acknowledged) assert.equal(numbers.get(n), startMs + n)
      assert.equal(stored.length, numbers.size)
      return true
    },
    { deadlineMs: 20_000, everyMs: 200 },
  )
})
