import type { Server as HttpServer, IncomingMessage } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { limits } from '@drover/protocol'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Connection, Transport } from './mqtt/connection.ts'
import { endForViolation } from './mqtt/ending.ts'
import type { MqttGateway } from './mqtt/gateway.ts'
import { malformed } from './mqtt/reasons.ts'

export interface WebSocketOptions {
  readonly gateway: MqttGateway
  /** `/mqtt` by default. */
  readonly path?: string
}

/** Sub-protocol that the client must offer [MQTT-6.0.0-3]. */
const subProtocol = 'mqtt'

/** Serves MQTT over WebSocket (MQTT 5.0, section 6) at a path of an HTTP server; returns how to stop. */
export function attachMqttWebSocket(server: HttpServer | HttpsServer, options: WebSocketOptions): () => void {
  const { gateway, path = '/mqtt' } = options
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: limits.mqttPacketBytesMax,
    handleProtocols: (offered) => (offered.has(subProtocol) ? subProtocol : false),
  })
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (request.url?.split('?', 1)[0] !== path) {
      // Other listeners may serve it; nobody else would close it.
      if (server.listenerCount('upgrade') === 1) refuse(socket, '404 Not Found', `MQTT is at ${path}.`)
    } else if (!offers(request)) {
      gateway.refused('subProtocol')
      refuse(socket, '400 Bad Request', `Offer the WebSocket sub-protocol ${subProtocol}.`)
    } else
      webSockets.handleUpgrade(request, socket, head, (webSocket) =>
        acceptWebSocket(gateway, webSocket, request.socket.remoteAddress ?? 'unknown'),
      )
  }
  server.on('upgrade', onUpgrade)
  return () => {
    server.off('upgrade', onUpgrade)
    webSockets.close()
  }
}

function refuse(socket: Duplex, status: string, text: string): void {
  socket.on('error', ignoreError)
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n${text}\n`)
}

function offers({ headers }: IncomingMessage): boolean {
  const offered = headers['sec-websocket-protocol'] ?? ''
  return offered.split(',').some((name) => name.trim() === subProtocol)
}

function acceptWebSocket(gateway: MqttGateway, webSocket: WebSocket, address: string): void {
  const connection = gateway.accept(transportOf(webSocket), address)
  webSocket.on('message', (data: Buffer, isBinary: boolean) => {
    if (isBinary) gateway.receive(connection, data)
    else endForText(connection)
  })
  // `close` follows.
  webSocket.on('error', () => {})
  webSocket.on('close', () => gateway.lost(connection))
}

/** [MQTT-6.0.0-1] MQTT is sent in binary frames; any other ends the connection. */
function endForText(connection: Connection): void {
  endForViolation(connection, malformed('a WebSocket frame is not binary'))
}

/** [MQTT-6.0.0-2] A packet may begin in one frame and end in another, so frames are nothing but chunks of bytes. */
function transportOf(webSocket: WebSocket): Transport {
  return {
    write: (bytes) => webSocket.send(bytes, ignoreError),
    end: () => webSocket.close(),
    destroy: () => webSocket.terminate(),
    pause: () => webSocket.pause(),
    resume: () => webSocket.resume(),
    get writableLength() {
      return webSocket.bufferedAmount
    },
  }
}

/** A wire that breaks says so by `close`. */
function ignoreError(): void {}
