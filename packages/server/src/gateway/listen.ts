import { createServer, type ListenOptions, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls'
import { limits } from '@drover/protocol'
import type { Connection } from './mqtt/connection.ts'
import type { MqttGateway } from './mqtt/gateway.ts'

export interface Certificate {
  readonly keyPem: string
  readonly certificatePem: string
}

/** Seconds after which the system asks a silent peer whether it is still there: for clients without a keep alive. */
const probeAfterMs = 60_000

const socketOptions = { noDelay: true, keepAlive: true, keepAliveInitialDelay: probeAfterMs }

export function createMqttServer(gateway: MqttGateway): Server {
  return limited(createServer(socketOptions, (socket) => acceptSocket(gateway, socket)))
}

export function createMqttTlsServer(gateway: MqttGateway, certificate: Certificate): TlsServer {
  const handshakeTimeout = limits.connectTimeoutSeconds * 1_000
  const options = { ...socketOptions, ...secureContext(certificate), handshakeTimeout }
  const server = createTlsServer(options, (socket) => acceptSocket(gateway, socket))
  server.on('tlsClientError', () => gateway.refused('tlsHandshake'))
  limited(server)
  return server
}

/** New connections use the certificate; open ones go on. */
export function updateCertificate(server: TlsServer, certificate: Certificate): void {
  server.setSecureContext(secureContext(certificate))
}

/** Answers with the port; rejects as `Server.listen` fails. */
export function listen(server: Server, options: ListenOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ backlog: 4_096, ...options }, () => {
      server.off('error', reject)
      resolve((server.address() as { port: number }).port)
    })
  })
}

function secureContext({ keyPem, certificatePem }: Certificate) {
  return { key: keyPem, cert: certificatePem, minVersion: 'TLSv1.2' } as const
}

function limited<T extends Server>(server: T): T {
  server.maxConnections = limits.connectionsPerGatewayMax
  return server
}

/** The socket knows its connection, so that all sockets share their listeners. */
const itsConnection = Symbol('connection')
type Wired = Socket & { [itsConnection]: Connection }

function acceptSocket(gateway: MqttGateway, socket: Socket): void {
  const wired = socket as Wired
  wired[itsConnection] = gateway.accept(wired, socket.remoteAddress ?? 'unknown')
  wired.on('data', onData)
  wired.on('error', onError)
  wired.on('close', onClose)
}

function onData(this: Wired, chunk: Buffer): void {
  const connection = this[itsConnection]
  connection.gateway.receive(connection, chunk)
}

/** `close` follows, and says all there is to say. */
function onError(): void {}

function onClose(this: Wired): void {
  const connection = this[itsConnection]
  connection.gateway.lost(connection)
}
