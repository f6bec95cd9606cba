import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask } from './ask.ts'
import { startPostgres } from './postgres.ts'

/** What every fault test relies on: the servers do what `Service` says. */
test('PostgreSQL keeps what was committed over kill, stop and pause', async () => {
  await using service = await startPostgres()
  await ask(service.url, 'create table kept (value int)')
  await ask(service.url, 'insert into kept values (1)')
  await service.kill()
  await assert.rejects(ask(service.url, 'select 1'))
  await service.restart()
  await ask(service.url, 'insert into kept values (2)')
  await service.stop()
  await assert.rejects(ask(service.url, 'select 1'))
  await service.restart()
  service.pause()
  await assert.rejects(ask(service.url, 'select 1', 300), /timeout/)
  service.resume()
  assert.deepEqual(await ask(service.url, 'select value from kept order by value'), [
    { value: 1 },
    { value: 2 },
  ])
})

test('a server that does not start says why', async () => {
  await assert.rejects(startPostgres({ settings: { max_connections: "'many'" } }), /max_connections/)
})
