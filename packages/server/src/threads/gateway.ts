import type { Server } from 'node:net'
import type { Server as TlsServer } from 'node:tls'
import { parentPort, workerData } from 'node:worker_threads'
import {
  type Certificate,
  createMqttServer,
  createMqttTlsServer,
  listen,
  updateCertificate,
} from '../gateway/listen.ts'
import { MqttGateway, sweepPeriodMs } from '../gateway/mqtt/gateway.ts'
import type { SessionDirectory } from '../gateway/sessions.ts'
import type { GatewayHost, GatewayThreadData, ListenRequest } from '../gateway/thread-wire.ts'
import { ReceiptClock } from '../queue/batch.ts'
import { systemClock } from '../runtime/clock.ts'
import { openProducer } from './engines.ts'
import { connect, type Remote, serve } from './rpc.ts'

/** A gateway thread: takes MQTT connections and hands what they send to the log. Started by `startGateways`. */
const port = parentPort!
const data = workerData as GatewayThreadData
const queue = await openProducer(data.queue)
const host = connect<GatewayHost>(port)
const servers: Server[] = []
const tlsServers: TlsServer[] = []

const gateway = new MqttGateway({
  queue,
  clock: new ReceiptClock(data.clock, systemClock.nowMicros),
  bootId: data.bootId,
  pendingBytesMax: data.pendingBytesMax,
  attach: () => directoryAt(host),
  notice: (notice) => ignoring(host.notice(notice)),
})
const sweeping = setInterval(() => gateway.sweep(), sweepPeriodMs)

serve(port, {
  end: (...args: Parameters<MqttGateway['end']>) => gateway.end(...args),
  metrics: () => gateway.metrics(),
  listen: (request: ListenRequest) => {
    const server = request.certificate
      ? createMqttTlsServer(gateway, request.certificate)
      : createMqttServer(gateway)
    servers.push(server)
    if (request.certificate) tlsServers.push(server as TlsServer)
    const { host, port, reusePort } = request
    return listen(server, { host, port, reusePort })
  },
  updateCertificate: (certificate: Certificate) => {
    for (const server of tlsServers) updateCertificate(server, certificate)
  },
  close: async (timeoutMs: number) => {
    for (const server of servers) server.close()
    await gateway.close(timeoutMs)
    clearInterval(sweeping)
    await queue.close()
    // The answer still goes out; then nothing keeps the thread.
    setImmediate(() => port.close())
  },
})

function directoryAt(remote: Remote<GatewayHost>): SessionDirectory {
  return {
    open: (request) => remote.open(request),
    closed: (session) => ignoring(remote.closed(session)),
    settled: (connection, resetPending) => ignoring(remote.settled(connection, resetPending)),
    active: (connections) => ignoring(remote.active(connections)),
  }
}

/** Nobody waits for the answer, and without a main thread there is nobody to tell. */
function ignoring(answer: Promise<unknown>): void {
  answer.catch(() => {})
}
