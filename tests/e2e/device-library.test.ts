/** `@drover/sdk/device` against a running server, over a wire that breaks. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { createDevice, type DeviceOptions, type DeviceState } from '@drover/sdk/device'
import { storedPoints } from '../support/expectation.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { eventually } from '../support/wait.ts'
import { startWire, type Wire } from '../support/wire.ts'

describe('the device library', () => {
  let server: TestServer
  let wire: Wire
  before(async () => {
    server = await startServer()
    wire = await startWire(server.mqtt)
  })
  after(async () => {
    await wire?.close()
    await server?.remove()
  })

  async function connected(id: string, options: Partial<DeviceOptions> = {}) {
    const { token } = await server.client.devices.create({ id })
    const states: DeviceState[] = []
    const onState = (state: DeviceState) => states.push(state)
    const settings = { url: wire.url, device: id, token, onState, reconnectMinMs: 10, reconnectMaxMs: 50 }
    return { device: createDevice({ ...settings, ...options }), states }
  }

  const valuesOf = async (id: string) =>
    (await storedPoints(server.client, id, 'n')).map(([, value]) => value)
  const numbers = (count: number) => Array.from({ length: count }, (_, n) => n)
  const stored = (id: string, expected: readonly number[]) =>
    eventually(async () => {
      assert.deepEqual(await valuesOf(id), expected)
      return true
    })

  for (const qos of [0, 1, 2] as const)
    test(`publishes at QoS ${qos}`, async () => {
      const { device } = await connected(`qos-${qos}`, { qos })
      await device.publish({ n: 1 })
      await stored(`qos-${qos}`, [1])
      await device.close()
      assert.equal(device.state, 'closed')
    })

  test('publishes over TLS with the certificate of the own CA, and not without', async () => {
    await using secure = await startServer({ flags: ['--https', '127.0.0.1:0', '--mqtts', '127.0.0.1:0'] })
    const ca = await (await fetch(`${secure.http}/ca.pem`)).text()
    const { token } = await secure.client.devices.create({ id: 'secure' })
    const websocket = secure.https!.replace('https:', 'wss:')
    for (const url of [secure.mqtts!, `${websocket}/mqtt`]) {
      const device = createDevice({ url, ca, device: 'secure', token })
      await device.publish({ n: 1 })
      await device.close()
      const reasons: string[] = []
      const stranger = createDevice({
        url,
        device: 'secure',
        token,
        onState: (_, reason) => reason && reasons.push(reason.message),
      })
      await eventually(() => reasons.some((reason) => /self-signed|certificate/.test(reason)))
      await stranger.close({ timeoutMs: 0 })
    }
    await eventually(async () => (await storedPoints(secure.client, 'secure', 'n')).length === 2)
  })

  test('publishes over WebSocket', async () => {
    const { device } = await connected('websocket', { url: `${server.http.replace('http:', 'ws:')}/mqtt` })
    await device.publish({ n: 1 })
    await stored('websocket', [1])
    await device.close()
  })

  test('keeps each of a burst of readings without a time', async () => {
    const { device } = await connected('burst')
    await Promise.all(numbers(500).map((n) => device.publish({ n })))
    await stored('burst', numbers(500))
    await device.close()
  })

  test('takes the time that it is given, and several readings in one message', async () => {
    const { device } = await connected('timed')
    const time = '2026-01-01T00:00:00.000Z'
    await device.publishAll(numbers(10).map((n) => ({ values: { n }, time: Date.parse(time) + n })))
    await stored('timed', numbers(10))
    const [first] = await storedPoints(server.client, 'timed', 'n')
    assert.equal(new Date(first![0]).toISOString(), time)
    await device.close()
  })

  for (const qos of [1, 2] as const)
    test(`stores each reading once at QoS ${qos}, however often the connection breaks`, async () => {
      const id = `broken-${qos}`
      const { device, states } = await connected(id, { qos, inFlightMax: 20 })
      let acknowledged = 0
      const published = numbers(1000).map((n) =>
        device.publish({ n }).then(() => {
          if (++acknowledged % 150 === 0) wire.cut()
        }),
      )
      await Promise.all(published)
      assert.ok(states.filter((state) => state === 'waiting').length >= 3, states.join())
      await stored(id, numbers(1000))
      await device.close()
    })

  test('keeps readings while the server cannot be reached, and sends them in their order', async () => {
    wire.refuse(true)
    const { device } = await connected('offline')
    const published = numbers(100).map((n) => device.publish({ n }))
    await eventually(() => device.state === 'waiting')
    assert.equal(device.buffered, 100)
    wire.refuse(false)
    await Promise.all(published)
    await stored('offline', numbers(100))
    await device.close()
  })

  test('refuses what does not fit into the buffer, or gives up the oldest', async () => {
    wire.refuse(true)
    const full = (error: unknown) => isDroverError(error, 'queueFull')
    const { device: refusing } = await connected('refusing', { buffer: { messagesMax: 3 } })
    const kept = numbers(3).map((n) => refusing.publish({ n }))
    await assert.rejects(refusing.publish({ n: 3 }), full)
    const { device: dropping } = await connected('dropping', {
      buffer: { messagesMax: 3 },
      whenFull: 'dropOldest',
    })
    const oldest = dropping.publish({ n: 0 })
    const newer = numbers(3).map((n) => dropping.publish({ n: n + 1 }))
    await assert.rejects(oldest, full)
    wire.refuse(false)
    await Promise.all([...kept, ...newer])
    await stored('refusing', [0, 1, 2])
    await stored('dropping', [1, 2, 3])
    await Promise.all([refusing.close(), dropping.close()])
  })

  test('sends as fast as the server stores when it awaits room', async () => {
    const { device } = await connected('paced', { buffer: { messagesMax: 10 } })
    const published: Promise<void>[] = []
    for (const n of numbers(500)) {
      await device.room()
      published.push(device.publish({ n }))
      assert.ok(device.buffered <= 10)
    }
    await Promise.all(published)
    await stored('paced', numbers(500))
    await device.close()
  })

  test('close sends what is buffered first, and refuses what comes after', async () => {
    const { device } = await connected('closing')
    const published = numbers(50).map((n) => device.publish({ n }))
    await device.close()
    await Promise.all(published)
    await assert.rejects(device.publish({ n: 50 }), (error) => isDroverError(error, 'shuttingDown'))
    await stored('closing', numbers(50))
  })

  test('close gives up at its deadline', async () => {
    wire.refuse(true)
    const { device } = await connected('hurried')
    const refused = assert.rejects(device.publish({ n: 1 }), (error) => isDroverError(error, 'shuttingDown'))
    await device.close({ timeoutMs: 50 })
    await refused
    wire.refuse(false)
  })

  test('a wrong token fails every promise and is not tried again', async () => {
    const { token } = await server.client.devices.create({ id: 'right' })
    const wrong = `${token.slice(0, -4)}${token.endsWith('AAAA') ? 'BBBB' : 'AAAA'}`
    const { device, states } = await connected('wrong', { token: wrong })
    await assert.rejects(device.publish({ n: 1 }), (error) => isDroverError(error, 'badCredentials'))
    assert.equal(device.state, 'failed')
    await assert.rejects(device.publish({ n: 2 }), (error) => isDroverError(error, 'badCredentials'))
    assert.deepEqual(states, ['connecting', 'failed'])
    await device.close()
  })
})
