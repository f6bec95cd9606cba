import { DroverError } from '@drover/protocol'
import { connect, type ErrorWithReasonCode, type IClientOptions, type MqttClient } from 'mqtt'

export interface ConnectionOptions {
  readonly url: string
  readonly device: string
  readonly token: string
  readonly clientId: string
  readonly topic: string
  readonly qos: 0 | 1 | 2
  readonly ca: string | Buffer | undefined
  readonly keepAliveSeconds: number
  readonly connectTimeoutMs: number
}

export interface ConnectionEvents {
  /** CONNACK said yes; `receiveMaximum` is how many messages the server takes unacknowledged (MQTT 5.0, 3.2.2.3.3). */
  opened(receiveMaximum: number): void
  /** Once, however it ended; after that, `sent` callbacks do not come any more. */
  closed(end: ConnectionEnd): void
}

export interface ConnectionEnd {
  readonly error: Error | undefined
  /** `refused`: trying again cannot help. `takenOver`: another client uses the same client id. */
  readonly kind: 'lost' | 'refused' | 'takenOver'
}

/** One MQTT connection from CONNECT to its end; it never reconnects by itself. */
export interface Connection {
  /** `sent` is called at the acknowledgement (QoS 0: when it is written). */
  send(payload: Buffer, sent: (error: Error | undefined) => void): void
  /** Sends DISCONNECT and closes. */
  close(): Promise<void>
}

const sessionTakenOver = 0x8e
/** Reason codes of CONNACK that stay so until somebody changes something (MQTT 5.0, table 3-1; 3.1.1 has 1 to 5). */
const refusals = new Set([1, 2, 4, 5, 0x81, 0x82, 0x84, 0x85, 0x86, 0x87, 0x8a, 0x8c, 0x95])
const defaultReceiveMaximum = 65_535

export function openConnection(options: ConnectionOptions, events: ConnectionEvents): Connection {
  const client = connect(options.url, mqttOptions(options))
  let end: ConnectionEnd = { error: undefined, kind: 'lost' }
  let closed = false
  const close = () => {
    if (closed) return
    closed = true
    client.end(true)
    events.closed(end)
  }
  client.on('connect', ({ properties }) => events.opened(properties?.receiveMaximum ?? defaultReceiveMaximum))
  client.on('error', (error) => {
    end = describe(error)
  })
  client.on('disconnect', (packet) => {
    if (packet.reasonCode === sessionTakenOver)
      end = { error: new Error('Another client connected with the same client id.'), kind: 'takenOver' }
  })
  client.on('close', close)
  return {
    send: (payload, sent) => publish(client, options, payload, (error) => closed || sent(error)),
    // Unforced, it would wait for acknowledgements that may never come.
    close: () => client.endAsync(!client.connected || Object.keys(client.outgoing).length > 0),
  }
}

function mqttOptions(options: ConnectionOptions): IClientOptions {
  return {
    protocolVersion: 5,
    clientId: options.clientId,
    username: options.device,
    password: options.token,
    clean: true,
    keepalive: options.keepAliveSeconds,
    connectTimeout: options.connectTimeoutMs,
    reconnectPeriod: 0,
    ...(options.ca === undefined ? {} : { ca: options.ca }),
  }
}

function publish(
  client: MqttClient,
  { topic, qos }: ConnectionOptions,
  payload: Buffer,
  sent: (error: Error | undefined) => void,
): void {
  client.publish(topic, payload, { qos }, (error) => sent(error ?? undefined))
}

function describe(error: Error | ErrorWithReasonCode): ConnectionEnd {
  const reason = reasonOf(error)
  if (reason === undefined || !refusals.has(reason)) return { error, kind: 'lost' }
  const wrongCredentials = reason === 0x86 || reason === 4 || reason === 5
  const told = wrongCredentials
    ? new DroverError('badCredentials', {}, error)
    : new DroverError('forbidden', { reason: error.message }, error)
  return { error: told, kind: 'refused' }
}

/** The MQTT reason code that the server gave, if the error comes from one. */
export function reasonOf(error: Error): number | undefined {
  const { code } = error as { code?: unknown }
  return typeof code === 'number' ? code : undefined
}
