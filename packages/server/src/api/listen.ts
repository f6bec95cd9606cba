import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
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
  /**
   * Takes no more connections, ends the live feeds and waits for the answers that are on their way. Connections that
   * have become something else (WebSocket) are the business of whoever took them.
   */
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

/** Counts the requests that wait for their answer. */
class OpenRequests {
  readonly #app: FastifyInstance
  #open = 0
  #whenAnswered: (() => void)[] = []

  constructor(app: FastifyInstance) {
    this.#app = app
  }

  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    this.#open++
    response.once('close', () => {
      this.#open--
      if (this.#open > 0) return
      for (const resolve of this.#whenAnswered.splice(0)) resolve()
    })
    this.#app.routing(request, response)
  }

  async answered(): Promise<void> {
    if (this.#open > 0) await new Promise<void>((resolve) => this.#whenAnswered.push(resolve))
  }
}

/** Puts the API behind a listener. Rejects as `server.listen` does. */
export async function listenApi(app: FastifyInstance, options: ListenOptions): Promise<ApiListener> {
  const { host, port, tls } = options
  const requests = new OpenRequests(app)
  const server = tls
    ? createTlsServer({ ...timeouts, ...tls, minVersion: 'TLSv1.2' }, requests.handle)
    : createServer(timeouts, requests.handle)
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
  const close = async () => {
    server.close()
    app.endLiveFeeds()
    await requests.answered()
    server.closeIdleConnections()
  }
  return { server, host, port: (server.address() as AddressInfo).port, close }
}
