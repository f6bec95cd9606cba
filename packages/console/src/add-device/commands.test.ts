import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Profile } from '@drover/protocol'
import { commandsFor, localEndpoints, networkEndpoints, samplePayload } from './commands.ts'

const server = {
  version: '0.1.0',
  host: 'barn.local',
  ports: { http: 8080, https: 8443, mqtt: null, mqtts: 8883 },
}
const credentials = { device: 'boiler-1', token: 'dt_a_b' }

function profileWith(metrics: Profile['metrics']): Profile {
  return {
    id: 'p',
    description: '',
    metrics,
    unknownMetrics: 'accept',
    oldestTime: '2000-01-01T00:00:00Z',
    aheadSecondsMax: 300,
    intervalSeconds: null,
    createdAt: '2026-01-01T00:00:00Z',
    updatedAt: '2026-01-01T00:00:00Z',
  }
}

describe('the commands to paste', () => {
  it('leave out what the server does not listen to', () => {
    const { mqtt, http } = commandsFor(localEndpoints(server), credentials, '{}')
    assert.equal(mqtt, undefined)
    assert.match(http!, /^curl http:\/\/127\.0\.0\.1:8080\/api\/v1\/ingest\/telemetry /)
    assert.match(http!, /Bearer dt_a_b/)
  })

  it('name the host for other machines, and check its certificate', () => {
    const fromHere = networkEndpoints(server, '127.0.0.1')
    assert.deepEqual(fromHere.mqtt, { host: 'barn.local', port: 8883 })
    assert.equal(networkEndpoints(server, 'fleet.example').http, 'https://fleet.example:8443')
    assert.match(
      commandsFor(fromHere, credentials, '{}', 'ca.pem').mqtt!,
      /--cafile ca\.pem .*\n.*-u boiler-1/,
    )
  })

  it('send values that the profile takes, safe inside single quotes', () => {
    assert.equal(samplePayload(profileWith({})), '{"temperature":21.4}')
    const metrics = {
      "o'clock": { type: 'integer', min: 0, max: 12 },
      open: { type: 'boolean' },
    } as const
    const payload = samplePayload(profileWith(metrics))
    assert.ok(!payload.includes("'"))
    assert.deepEqual(JSON.parse(payload), { "o'clock": 6, open: true })
  })
})
