import { DroverError, type ErrorBody, isDroverError } from '@drover/protocol'
import { createDevice, type Reading } from '@drover/sdk/device'

/** The way of one device's readings to the server. */
export interface Sender {
  /** Resolves when the server has them durably. */
  send(readings: readonly Reading[]): Promise<void>
  /** Resolves when more can be sent. */
  room(): Promise<void>
  close(): Promise<void>
}

export interface SenderOptions {
  readonly device: string
  readonly token: string
  /** Messages of one device that may wait for their acknowledgement. */
  readonly window: number
}

export interface MqttOptions {
  readonly url: string
  readonly qos: 0 | 1 | 2
  readonly ca: Buffer | undefined
  /** The connection is lost or could not be made, and is tried again. */
  readonly onLost: (reason: string) => void
}

export function createMqttSender(
  { device, token, window }: SenderOptions,
  { onLost, ...mqtt }: MqttOptions,
): Sender {
  const publisher = createDevice({
    ...mqtt,
    onState: (state, reason) => {
      if (state === 'waiting') onLost(reason?.message || 'the connection was lost')
    },
    device,
    token,
    clientId: `${device}-replay-${process.pid}`,
    inFlightMax: window,
    buffer: { messagesMax: window },
  })
  return {
    send: (readings) => publisher.publishAll(readings),
    room: () => publisher.room(),
    close: () => publisher.close(),
  }
}

const attemptsMax = 20
const retryMs = 500

/** One POST a message, `window` at a time, with an idempotency key each, so that a second try is not seen twice. */
export function createHttpSender({ device, token, window }: SenderOptions, url: string): Sender {
  let waiting = 0
  let wake: (() => void) | undefined
  let message = 0
  const run = `${Date.now().toString(36)}-${process.pid}`
  return {
    async send(readings) {
      waiting++
      try {
        await postReliably(url, token, readings, `${run}-${device}-${message++}`)
      } finally {
        waiting--
        wake?.()
      }
    },
    async room() {
      while (waiting >= window)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    },
    close: async () => undefined,
  }
}

async function postReliably(url: string, token: string, readings: readonly Reading[], key: string) {
  const messages = readings.map(({ time, values }) => ({ ts: time, values }))
  const body = JSON.stringify(messages.length === 1 ? messages[0] : messages)
  for (let attempt = 1; ; attempt++) {
    const failure = await post(url, token, body, key)
    if (failure === undefined) return
    if (!failure.retryable || attempt === attemptsMax) throw failure.error
    await new Promise((resolve) => setTimeout(resolve, retryMs))
  }
}

interface Failure {
  readonly error: DroverError
  readonly retryable: boolean
}

async function post(url: string, token: string, body: string, key: string): Promise<Failure | undefined> {
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'idempotency-key': key,
  }
  try {
    const response = await fetch(`${url}/api/v1/ingest/telemetry`, { method: 'POST', headers, body })
    const answer = (await response.json()) as Partial<ErrorBody>
    if (response.ok) return undefined
    if (isDroverError(answer.error))
      return {
        error: new DroverError(answer.error.code, answer.error.details),
        retryable: (answer.error as ErrorBody['error']).retryable,
      }
    throw new Error(`status ${response.status}`)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { error: new DroverError('serverUnreachable', { address: url, reason }, error), retryable: true }
  }
}
