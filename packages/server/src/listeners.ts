import { DroverError } from '@drover/protocol'
import type { FastifyInstance } from 'fastify'
import type { Certificates } from './access/tls/certificates.ts'
import { type ApiListener, listenApi } from './api/listen.ts'
import { type Configuration, formatListener, type ListenerAddress } from './config.ts'
import type { LocalGateway } from './gateway/local-gateway.ts'
import { attachMqttWebSocket } from './gateway/websocket.ts'
import type { Lifecycle } from './runtime/lifecycle.ts'

export interface ListenersInput {
  readonly app: FastifyInstance
  readonly configuration: Configuration
  readonly lifecycle: Lifecycle
  /** Takes the MQTT connections that come over WebSocket. */
  readonly local: LocalGateway
  readonly certificates: Certificates | undefined
}

/** Puts API, console and MQTT over WebSocket behind HTTP and HTTPS, as far as they are on. Rejects with `addressInUse`. */
export async function startListeners(input: ListenersInput) {
  const { configuration, certificates } = input
  const https = await start('HTTPS', configuration.httpsListener, input)
  const http = await start('HTTP', configuration.httpListener, input)
  certificates?.onChange(() => {
    if (https && 'setSecureContext' in https.server) https.server.setSecureContext(tlsOf(certificates))
  })
  return { http, https }
}

export const isOn = (address: ListenerAddress | 'off'): address is ListenerAddress => address !== 'off'

async function start(name: 'HTTP' | 'HTTPS', address: ListenerAddress | 'off', input: ListenersInput) {
  if (!isOn(address)) return undefined
  return input.lifecycle.start(
    name,
    () => listen(name, address, input),
    (listener) => listener.close(),
  )
}

async function listen(
  name: 'HTTP' | 'HTTPS',
  address: ListenerAddress,
  { app, local, certificates }: ListenersInput,
): Promise<ApiListener> {
  try {
    const tls = name === 'HTTPS' && certificates ? tlsOf(certificates) : undefined
    const listener = await listenApi(app, { ...address, tls })
    const detach = attachMqttWebSocket(listener.server, { gateway: local.gateway })
    return {
      ...listener,
      close() {
        detach()
        return listener.close()
      },
    }
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error)
    const details = {
      listener: name,
      address: formatListener(address),
      reason,
      flag: `--${name.toLowerCase()}`,
    }
    throw new DroverError('addressInUse', details, error)
  }
}

const tlsOf = ({ certificatePem, keyPem }: Certificates) => ({ cert: certificatePem, key: keyPem })
