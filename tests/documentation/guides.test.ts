import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startServer } from '../support/server.ts'
import { eventually } from '../support/wait.ts'
import { repository } from '../tidiness/files.ts'

const guide = readFileSync(join(repository, 'docs/guides/telemetry.md'), 'utf8')

/** The payloads of the guide: each of its JSON blocks. */
const payloads = [...guide.matchAll(/```json\n([\s\S]*?)```/g)].map(([, block]) => block!)
/** The values of its table, as one message. */
const values = [...guide.matchAll(/^\| (\w+) \| `([^`]+)` \|/gm)].map(
  ([, type, value]) => `"as ${type}":${value}`,
)

test('every payload of the guide is taken and stored', async () => {
  assert.ok(payloads.length >= 5 && values.length === 6)
  await using server = await startServer()
  const { client } = server
  const { token } = await client.devices.create({ id: 'guide' })
  for (const payload of [...payloads, `{${values.join(',')}}`]) {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const answer = await fetch(`${server.http}/api/v1/ingest/telemetry`, {
      method: 'POST',
      headers,
      body: payload,
    })
    assert.equal(answer.status, 202, `${payload} ${await answer.text()}`)
  }
  const { metrics } = await eventually(async () => {
    const latest = await client.devices.latest('guide')
    return 'as location' in latest.metrics && latest
  })
  const { items } = await client.quarantine.list({ device: 'guide' })
  assert.deepEqual(items, [])
  assert.equal(metrics.temperature?.type, 'number')
  assert.equal(metrics['as boolean']?.type, 'boolean')
  assert.equal(metrics['as string']?.value, 'idle')
  assert.deepEqual(metrics['as JSON']?.value, { a: [1] })
})
