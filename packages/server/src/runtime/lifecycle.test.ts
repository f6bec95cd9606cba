import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lifecycle } from './lifecycle.ts'
import { createLogger } from './logger.ts'

const log = createLogger({ level: 'silent', format: 'json' })
const never = () => new Promise<void>(() => {})

test('parts start in order, with what earlier ones gave, and stop in reverse', async () => {
  const events: string[] = []
  const lifecycle = new Lifecycle(log)
  const queue = await lifecycle.start(
    'queue',
    () => ({ name: 'q' }),
    () => void events.push('queue stopped'),
  )
  await lifecycle.start(
    'gateway',
    async () => events.push(`gateway on ${queue.name}`),
    async () => void events.push('gateway stopped'),
  )
  assert.equal(await lifecycle.stop(1_000), true)
  assert.deepEqual(events, ['gateway on q', 'gateway stopped', 'queue stopped'])
})

test('when a part fails to start, those before it can be stopped', async () => {
  const stopped: string[] = []
  const lifecycle = new Lifecycle(log)
  await lifecycle.start(
    'first',
    () => 1,
    () => void stopped.push('first'),
  )
  await assert.rejects(
    lifecycle.start('second', () => Promise.reject(new Error('no')), assert.fail),
    /no/,
  )
  assert.equal(await lifecycle.stop(1_000), true)
  assert.deepEqual(stopped, ['first'])
})

test('a part that hangs or fails does not keep the others from stopping, nor the process from ending', async () => {
  const stopped: string[] = []
  const lifecycle = new Lifecycle(log)
  for (const name of ['first', 'second'])
    await lifecycle.start(
      name,
      () => name,
      () => void stopped.push(name),
    )
  await lifecycle.start('hanging', () => 1, never)
  await lifecycle.start(
    'failing',
    () => 1,
    () => {
      throw new Error('cannot')
    },
  )
  const startedAt = performance.now()
  assert.equal(await lifecycle.stop(100), false)
  assert.ok(performance.now() - startedAt < 1_000)
  assert.deepEqual(stopped, ['second', 'first'])
})

test('a second stop waits for the first', async () => {
  let stops = 0
  const lifecycle = new Lifecycle(log)
  await lifecycle.start(
    'only',
    () => 1,
    () => void stops++,
  )
  assert.deepEqual(await Promise.all([lifecycle.stop(1_000), lifecycle.stop(1_000)]), [true, true])
  assert.equal(stops, 1)
})
