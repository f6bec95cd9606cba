import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { TimedSender } from '../faults/senders.ts'
import { createRandom } from '../support/random.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { startKafka } from '../support/services/kafka.ts'
import { startPostgres } from '../support/services/postgres.ts'
import { eventually } from '../support/wait.ts'

const underLoadMs = 2_000

test('roles as processes: one of two processors is killed under load, and the other takes over', {
  timeout: 240_000,
}, async (t) => {
  const [kafka, postgres] = await Promise.all([startKafka(), startPostgres()])
  const ending = new AbortController()
  const running: TestServer[] = []
  const directory = await mkdtemp(join(tmpdir(), 'drover-roles-'))
  t.after(async () => {
    ending.abort()
    for (const server of running) await server.remove()
    for (const service of [kafka, postgres]) await service[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  })
  const engines = [
    '--queue',
    `${kafka.url}?partitions=4`,
    '--store',
    postgres.url,
    '--registry',
    postgres.url,
  ]
  /** With the key of the first one. */
  const start = async (role: string) => {
    const dataDirectory = await mkdtemp(join(directory, `${role}-`))
    const key = running[0] && join(running[0].dataDirectory, 'admin-key')
    if (key) await copyFile(key, join(dataDirectory, 'admin-key'))
    const server = await startServer({ dataDirectory, flags: [...engines, '--roles', role] })
    running.push(server)
    return server
  }
  const { client } = await start('api')
  const processor = await start('processor')
  await start('processor')
  const senders = []
  for (const device of ['one', 'two']) {
    const { token } = await client.devices.create({ id: device })
    const current = await start('gateway')
    const random = createRandom(1)
    senders.push(
      new TimedSender({ device, token, place: { current }, signal: ending.signal, persistent: true, random }),
    )
  }
  for (const sender of senders) sender.start()
  await sleep(underLoadMs)
  await processor.kill()
  await sleep(underLoadMs)
  await Promise.all(senders.map((sender) => sender.stop()))
  for (const sender of senders) {
    t.diagnostic(`${sender.device}: ${sender.acknowledged} of ${sender.sent} acknowledged`)
    await eventually(() => sender.check(client).then(() => true), { deadlineMs: 60_000, everyMs: 500 })
  }
})
