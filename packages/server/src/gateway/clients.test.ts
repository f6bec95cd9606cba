import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { type TestContext, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import mqtt, { type IClientOptions } from 'mqtt'
import { WebSocket } from 'ws'
import { eventually } from '../../../../tests/support/wait.ts'
import { issueAuthority, issueServer } from '../access/tls/issue.ts'
import { createMqttTlsServer, listen, updateCertificate } from './listen.ts'
import { startTestGateway, type TestGateway, testDevice } from './test-kit.ts'
import { attachMqttWebSocket } from './websocket.ts'

const device = testDevice(1)
const authority = await issueAuthority('Test', Date.now())
const newCertificate = () =>
  issueServer(authority, { hosts: ['localhost'], addresses: ['127.0.0.1'] }, Date.now())
const certificate = await newCertificate()

const wires = {
  tcp: async (_t: TestContext, { port }: TestGateway) => `mqtt://127.0.0.1:${port}`,
  tls: async (t: TestContext, { gateway }: TestGateway) => {
    const server = createMqttTlsServer(gateway, certificate)
    t.after(() => server.close())
    return `mqtts://localhost:${await listen(server, { host: '127.0.0.1', port: 0 })}`
  },
  ws: async (t: TestContext, gateway: TestGateway) =>
    `ws://127.0.0.1:${await serveWebSocket(t, gateway, createServer())}/mqtt`,
  wss: async (t: TestContext, gateway: TestGateway) => {
    const options = { key: certificate.keyPem, cert: certificate.certificatePem }
    return `wss://localhost:${await serveWebSocket(t, gateway, createHttpsServer(options))}/mqtt`
  },
}

async function serveWebSocket(t: TestContext, { gateway }: TestGateway, server: Server): Promise<number> {
  const detach = attachMqttWebSocket(server as ReturnType<typeof createServer>, { gateway })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    detach()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function options(version: 4 | 5): IClientOptions {
  return {
    protocolVersion: version,
    username: device.deviceId,
    password: device.token,
    ca: authority.certificatePem,
    reconnectPeriod: 0,
    connectTimeout: 5_000,
  }
}

for (const [name, serve] of Object.entries(wires))
  for (const version of [4, 5] as const)
    test(`MQTT ${version === 4 ? '3.1.1' : '5.0'} over ${name}: every QoS arrives, in order`, async (t) => {
      const gateway = await startTestGateway(t)
      const client = await mqtt.connectAsync(await serve(t, gateway), options(version))
      t.after(() => client.endAsync(true))
      for (const qos of [0, 1, 2] as const) await client.publishAsync('me/telemetry', `{"q":${qos}}`, { qos })
      const large = JSON.stringify({ text: 'x'.repeat(200_000) })
      await client.publishAsync(`devices/${device.deviceId}/telemetry`, large, { qos: 1 })
      await client.publishAsync('v1/devices/me/telemetry', '{"q":"last"}', { qos: 2 })
      const payloads = (await gateway.records())
        .filter(({ channel }) => channel === 1)
        .map(({ text }) => text)
      assert.deepEqual(payloads, ['{"q":0}', '{"q":1}', '{"q":2}', large, '{"q":"last"}'])
      assert.equal(gateway.directory.connection(1).online, true)
      await client.endAsync()
      await eventually(() => gateway.directory.connection(1).reason === 'disconnected')
    })

test('a new certificate is used for new connections, and the old ones go on', async (t) => {
  const { gateway } = await startTestGateway(t)
  const server = createMqttTlsServer(gateway, certificate)
  t.after(() => server.close())
  const port = await listen(server, { host: '127.0.0.1', port: 0 })
  const peer = async () => {
    const socket = connectTls({ port, host: 'localhost', ca: authority.certificatePem })
    t.after(() => socket.destroy())
    await once(socket, 'secureConnect')
    return socket
  }
  const before = await peer()
  updateCertificate(server, await newCertificate())
  const after = await peer()
  assert.notEqual(before.getPeerCertificate().serialNumber, after.getPeerCertificate().serialNumber)
  assert.equal(before.destroyed, false)
})

async function refusalOf(url: string, protocols: string[]): Promise<string> {
  const [error] = await once(new WebSocket(url, protocols), 'error')
  return String(error)
}

test('a WebSocket that does not offer the sub-protocol mqtt is refused, and so is another path', async (t) => {
  const gateway = await startTestGateway(t)
  const port = await serveWebSocket(t, gateway, createServer())
  assert.match(await refusalOf(`ws://127.0.0.1:${port}/mqtt`, ['other']), /400/)
  assert.match(await refusalOf(`ws://127.0.0.1:${port}/elsewhere`, ['mqtt']), /404/)
})

test('a text frame ends the WebSocket [MQTT-6.0.0-1]', async (t) => {
  const gateway = await startTestGateway(t)
  const port = await serveWebSocket(t, gateway, createServer())
  const webSocket = new WebSocket(`ws://127.0.0.1:${port}/mqtt`, ['mqtt'])
  await once(webSocket, 'open')
  webSocket.send('hello')
  await once(webSocket, 'close')
  assert.equal(gateway.gateway.metrics().ended.protocolError, 1)
})
