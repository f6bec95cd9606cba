import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask } from './ask.ts'
import { startTimescaleWasm } from './timescale-wasm.ts'

test('TimescaleDB has all that its driver uses, and keeps its data over a restart', async () => {
  await using service = await startTimescaleWasm()
  await ask(
    service.url,
    `create table points (time timestamptz not null, series int not null, value float8);
     select create_hypertable('points', by_range('time'));
     alter table points set (timescaledb.compress, timescaledb.compress_segmentby = 'series');
     insert into points values ('2026-01-01', 1, 0.5)`,
  )
  await ask(service.url, `select compress_chunk(show_chunks('points'))`)
  await service.restart()
  assert.deepEqual(await ask(service.url, 'select series, value from points'), [{ series: 1, value: 0.5 }])
  assert.deepEqual(await ask(service.url, 'show timescaledb.license'), [
    { 'timescaledb.license': 'timescale' },
  ])
})
