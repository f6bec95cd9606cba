import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'

export interface ListenOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** PEM; with it the listener speaks TLS. `setSecureContext` of the server renews it. */
  readonly tls?: { readonly cert: string; readonly key: string }
}

export interface ApiListener {
  /** For `upgrade`, and for new certificates. */
  readonly server: Server | TlsServer
  readonly host: string
  readonly port: number
  /** Takes no more connections, waits for the answers that are on their way, and closes idle connections. */
  close(): Promise<void>
}

const timeouts = {
  /** ms that a request may take to arrive, against those who send a byte a minute. */
  requestTimeout: 60_000,
  headersTimeout: 20_000,
  keepAliveTimeout: 72_000,
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: 16_384,
}

const badRequest = JSON.stringify({
  error: {
    code: 'badRequest',
    message: 'The request is not valid: this is not HTTP.',
    details: { reason: 'this is not HTTP' },
    retryable: false,
  },
})

/** Puts the API behind a listener. Rejects as `server.listen` does. */
export async function listenApi(app: FastifyInstance, options: ListenOptions): Promise<ApiListener> {
  const { host, port, tls } = options
  const server = tls
    ? createTlsServer({ ...timeouts, ...tls, minVersion: 'TLSv1.2' }, app.routing)
    : createServer(timeouts, app.routing)
  server.on('clientError', (_error, socket) => {
    if (!socket.writable) return
    const head = 'HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n'
    socket.end(`${head}content-length: ${Buffer.byteLength(badRequest)}\r\n\r\n${badRequest}`)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeIdleConnections()
    })
  return { server, host, port: (server.address() as AddressInfo).port, close }
}
