import { DroverError, errorTable, isDroverError, type LiveEvent } from '@drover/protocol'
import type { Http } from './http.ts'
import { readServerSentEvents } from './sse.ts'

export type LiveState = 'connecting' | 'open' | 'waiting'

export interface LiveOptions {
  /** Events of these devices only; of all without it. */
  readonly devices?: readonly string[]
  /** Events of devices with this tag only. */
  readonly tag?: string
  /** Events of these types only; `gap` always comes. */
  readonly types?: readonly LiveEvent['type'][]
  /** Ends the iteration without an error. */
  readonly signal?: AbortSignal
  /** Where an earlier feed ended: the id of its last event. */
  readonly lastEventId?: string
  /** Told of each change; `waiting` says why, and the next attempt follows by itself. */
  readonly onState?: (state: LiveState, error?: DroverError) => void
  /** Told of each event's id, from which another feed can resume. */
  readonly onEventId?: (id: string) => void
  /** The feed counts as dead when nothing, no comment even, came for so long; 45 s unless told. */
  readonly silenceMsMax?: number
  /** The longest wait between two attempts; 15 s unless told. */
  readonly retryMsMax?: number
  readonly random?: () => number
}

const firstRetryMs = 250

/**
 * The live feed, for as long as the iteration goes on: a lost connection is made again, with a growing wait, and resumes
 * behind the last event. Throws DroverError only for what waiting does not mend, such as `badCredentials`.
 */
export async function* openLive(http: Http, options: LiveOptions = {}): AsyncGenerator<LiveEvent, void> {
  const { signal, onState, retryMsMax = 15_000, random = Math.random } = options
  let lastEventId = options.lastEventId
  let attempts = 0
  while (!signal?.aborted) {
    onState?.('connecting')
    try {
      for await (const event of connectOnce(http, options, lastEventId)) {
        attempts = 0
        if (!event) continue
        if (event.id !== undefined) {
          lastEventId = event.id
          options.onEventId?.(event.id)
        }
        yield JSON.parse(event.data) as LiveEvent
      }
      if (!signal?.aborted) onState?.('waiting')
    } catch (error) {
      if (signal?.aborted) return
      if (!isDroverError(error) || !errorTable[error.code].retryable) throw error
      onState?.('waiting', error)
    }
    const waitMs = Math.min(retryMsMax, firstRetryMs * 2 ** attempts++)
    await wait(waitMs * (0.5 + random() / 2), signal)
  }
}

async function* connectOnce(http: Http, options: LiveOptions, lastEventId: string | undefined) {
  const silence = watchSilence(options.silenceMsMax ?? 45_000)
  const signal = options.signal ? AbortSignal.any([options.signal, silence.signal]) : silence.signal
  try {
    const { devices, tag, types } = options
    const headers: Record<string, string> = { accept: 'text/event-stream' }
    if (lastEventId !== undefined) headers['last-event-id'] = lastEventId
    const query = { device: devices, tag, types }
    const response = await http.open('GET', '/live', { query, headers, signal })
    if (!response.body) return
    options.onState?.('open')
    for await (const event of readServerSentEvents(response.body)) {
      silence.heard()
      yield event
    }
  } catch (error) {
    throw isDroverError(error) ? error : new DroverError('serverUnreachable', lost(http, silence), error)
  } finally {
    silence.stop()
  }
}

function lost(http: Http, { signal }: { signal: AbortSignal }) {
  return {
    address: http.address,
    reason: signal.aborted ? 'the live feed fell silent' : 'the live feed broke',
  }
}

function watchSilence(limitMs: number) {
  const controller = new AbortController()
  const start = () => setTimeout(() => controller.abort(), limitMs)
  let timer = start()
  return {
    signal: controller.signal,
    heard() {
      clearTimeout(timer)
      timer = start()
    },
    stop: () => clearTimeout(timer),
  }
}

function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done)
    if (signal?.aborted) done()
  })
}
