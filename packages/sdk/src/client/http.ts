import { DroverError, type ErrorBody, type ErrorDetails, isDroverError } from '@drover/protocol'

/** How to reach a server. */
export interface Connection {
  /** Where the server answers, such as `http://127.0.0.1:8080`, without `/api/v1`. */
  readonly baseUrl: string
  /** An administrator's or device's key, sent as a bearer token. Without one a browser's session cookie is used. */
  readonly key?: string
  /** How long one request may take; 60 s unless told. The live feed is not limited by it. */
  readonly timeoutMs?: number
  readonly fetch?: typeof globalThis.fetch
}

export type QueryValue = string | number | boolean | readonly string[] | null | undefined
export interface RequestOptions {
  readonly query?: Readonly<Record<string, QueryValue>>
  /** Sent as JSON. */
  readonly json?: unknown
  /** Sent as it is, with its content type. */
  readonly body?: string
  readonly contentType?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

export interface Http {
  readonly address: string
  /** The answer's JSON, or undefined for 204. Throws DroverError with the server's code. */
  request<T>(method: string, path: string, options?: RequestOptions): Promise<T>
  /** The open answer, whose body the caller reads. Throws DroverError with the server's code. */
  open(method: string, path: string, options?: RequestOptions): Promise<Response>
}

const apiPath = '/api/v1'

export function createHttp(connection: Connection): Http {
  const baseUrl = connection.baseUrl.replace(/\/+$/, '')
  const send = connection.fetch ?? globalThis.fetch.bind(globalThis)
  const timeoutMs = connection.timeoutMs ?? 60_000

  async function open(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    const response = await send(`${baseUrl}${apiPath}${path}${queryString(options.query)}`, {
      method,
      headers: headersOf(connection.key, options),
      body: options.json === undefined ? options.body : JSON.stringify(options.json),
      credentials: connection.key === undefined ? 'same-origin' : 'omit',
      signal: options.signal,
    }).catch((error: unknown) => {
      throw unreachable(baseUrl, error, options.signal)
    })
    if (!response.ok) throw await failureOf(response, baseUrl)
    return response
  }

  async function request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const limit = AbortSignal.timeout(timeoutMs)
    const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit
    try {
      const response = await open(method, path, { ...options, signal })
      return (response.status === 204 ? undefined : await response.json()) as T
    } catch (error) {
      if (isDroverError(error) || options.signal?.aborted) throw error
      if (limit.aborted) throw new DroverError('serverUnreachable', late(baseUrl, timeoutMs), error)
      throw new DroverError('unexpectedAnswer', { address: baseUrl, reason: reasonOf(error) }, error)
    }
  }
  return { address: baseUrl, open, request }
}

/** Cookie sessions: a page of another origin can neither send JSON nor this header without asking the server first. */
function headersOf(key: string | undefined, options: RequestOptions): Record<string, string> {
  const headers: Record<string, string> = { accept: 'application/json', ...options.headers }
  if (key === undefined) headers['x-requested-with'] = 'drover'
  else headers.authorization = `Bearer ${key}`
  if (options.json !== undefined) headers['content-type'] = 'application/json'
  else if (options.contentType) headers['content-type'] = options.contentType
  return headers
}

export function queryString(query: RequestOptions['query'] = {}): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null || value === '') continue
    parameters.set(name, Array.isArray(value) ? value.join(',') : String(value))
  }
  return parameters.size === 0 ? '' : `?${parameters}`
}

/** An abort that the caller asked for stays an abort; everything else says which address did not answer. */
function unreachable(address: string, error: unknown, signal?: AbortSignal): unknown {
  if (signal?.aborted) return error
  return new DroverError('serverUnreachable', { address, reason: reasonOf(error) }, error)
}

function late(address: string, timeoutMs: number): ErrorDetails {
  return { address, reason: `no answer within ${timeoutMs} ms` }
}

/** Node hides the reason of a failed fetch in the cause; browsers give none. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  if (cause instanceof AggregateError) return reasonOf(cause.errors[0])
  return cause instanceof Error ? cause.message || reasonOf(cause) : error.message
}

async function failureOf(response: Response, address: string): Promise<DroverError> {
  const body: unknown = await response.json().catch(() => undefined)
  const { error } = (body ?? {}) as Partial<ErrorBody>
  if (isDroverError(error)) return new DroverError(error.code, error.details ?? {})
  const reason = error?.message ?? `status ${response.status}`
  return new DroverError('unexpectedAnswer', { address, reason })
}
