import assert from 'node:assert/strict'
import { test } from 'node:test'
import { doctor, migrate } from './commands.ts'

/** Nothing listens there. */
const nowhere = '127.0.0.1:1'

const warningsOf = async (...args: string[]) => (await doctor(args, {})).join('\n')

test('what comes along needs no doctor, and nothing made beforehand', async () => {
  assert.equal(await warningsOf(), '')
  assert.match((await migrate([], {})).join('\n'), /Nothing to do/)
})

test('engines that do not go together, and those that do not answer', async () => {
  const warnings = await warningsOf('--queue', `kafka://${nowhere}?replication=1`)
  assert.match(warnings, /The queue is kafka, but the store is a folder/)
  assert.match(warnings, /one copy only/)
  assert.match(warnings, /The queue does not accept messages now/)
  assert.doesNotMatch(warnings, /without TLS/)
})

test('what is unsafe over a network is told without the password', async () => {
  const warnings = await warningsOf('--store', 'postgres://me:me@db.invalid/drover')
  assert.match(
    warnings,
    /The store \(postgres:\/\/me:\*\*\*@db\.invalid\/drover\) is reached over the network without TLS/,
  )
  assert.match(warnings, /has a default password/)
  const verified = await warningsOf('--store', 'postgres://me:k9vQ2@db.invalid/drover?sslmode=verify-full')
  assert.doesNotMatch(verified, /without TLS|default password/)
})

test('the first engine that cannot be used ends a migration', async () => {
  await assert.rejects(migrate(['--registry', `postgres://me@${nowhere}/drover`], {}), /does not answer/)
})
