import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createClient } from '@drover/sdk/client'
import { eventually } from '../support/wait.ts'

const script = join(import.meta.dirname, '..', '..', 'scripts', 'demo.ts')

test('npm run demo shows a fleet that sends, and Ctrl-C ends it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'drover-demo-'))
  const listeners = ['--http', '127.0.0.1:0', '--https', 'off', '--mqtt', '127.0.0.1:0', '--mqtts', 'off']
  const child = spawn(process.execPath, [script, '--data', folder, ...listeners], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  })
  const exited = once(child, 'exit')
  t.after(async () => {
    child.kill('SIGKILL')
    await exited
    await rm(folder, { recursive: true, force: true })
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output += chunk
    })
  const seen = (pattern: RegExp) => eventually(() => pattern.exec(output)?.[0], { deadlineMs: 60_000 })
  const url = (await seen(/http:\/\/127\.0\.0\.1:\d+/)) as string
  assert.match(output, /admin-key/)
  await seen(/devices send every/)
  const client = createClient({
    baseUrl: url,
    key: (await readFile(join(folder, 'admin-key'), 'utf8')).trim(),
  })
  await eventually(async () => (await client.devices.list({ state: 'online' })).items.length > 10)
  const { points } = await client.devices.telemetry('meter-01', {
    metric: 'power',
    every: '1d',
    fn: ['count'],
  })
  assert.ok(points.length >= 3, 'there is a history of three days')
  child.kill('SIGINT')
  assert.deepEqual(await exited, [0, null], output)
})
