import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, it } from 'node:test'
import { DroverError, errorBody, isDroverError, type LiveEvent } from '@drover/protocol'
import { createClient, eachItem, type LiveState } from './index.ts'

interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}
type Answer = (seen: Seen, response: ServerResponse) => void

const opened: { close(): void }[] = []
afterEach(() => {
  for (const server of opened.splice(0)) server.close()
})

async function serve(answer: Answer): Promise<{ baseUrl: string; seen: Seen[] }> {
  const seen: Seen[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const one = { method: request.method!, url: request.url!, headers: request.headers, body }
    seen.push(one)
    answer(one, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  opened.push({
    close() {
      server.close()
      server.closeAllConnections()
    },
  })
  return { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

/** Where a server was a moment ago, and nothing listens now. */
async function addressOfNobody(): Promise<string> {
  const { baseUrl } = await serve(() => {})
  opened.pop()!.close()
  return baseUrl
}

function json(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

describe('the client', () => {
  it('sends the key, the query and the body as the API takes them', async () => {
    const { baseUrl, seen } = await serve((_, response) => json(response, { items: [], nextCursor: null }))
    const client = createClient({ baseUrl: `${baseUrl}/`, key: 'secret' })
    await client.devices.list({ q: 'a b', limit: 5, cursor: undefined })
    await client.devices.telemetry('a:1', { metric: 'temperature', fn: ['avg', 'max'], every: '1h' })
    await client.devices.create({ id: 'a', tags: ['roof'] })
    await client.devices.import('id\na\n')
    assert.deepEqual(
      seen.map(({ method, url, body }) => `${method} ${url} ${body}`.trim()),
      [
        'GET /api/v1/devices?q=a+b&limit=5',
        'GET /api/v1/devices/a%3A1/telemetry?metric=temperature&fn=avg%2Cmax&every=1h',
        'POST /api/v1/devices {"id":"a","tags":["roof"]}',
        'POST /api/v1/imports/devices id\na',
      ],
    )
    assert.equal(seen[2]!.headers['content-type'], 'application/json')
    assert.equal(seen[3]!.headers['content-type'], 'text/csv')
    assert.ok(seen.every(({ headers }) => headers.authorization === 'Bearer secret'))
  })

  it('marks the writes of a cookie session, and takes an empty answer', async () => {
    const { baseUrl, seen } = await serve((_, response) => response.writeHead(204).end())
    assert.equal(await createClient({ baseUrl }).session.delete(), undefined)
    assert.equal(seen[0]!.headers['x-requested-with'], 'drover')
    assert.equal(seen[0]!.headers.authorization, undefined)
  })

  it('throws what the server says, code and details', async () => {
    const { baseUrl } = await serve((_, response) =>
      json(response, errorBody(new DroverError('notFound', { kind: 'device', id: 'a' })), 404),
    )
    await assert.rejects(createClient({ baseUrl }).devices.get('a'), (error) => {
      assert.ok(isDroverError(error, 'notFound'))
      assert.equal(error.message, 'There is no device a.')
      assert.deepEqual(error.details, { kind: 'device', id: 'a' })
      return true
    })
  })

  it('names the address that does not answer', async () => {
    const baseUrl = await addressOfNobody()
    const client = createClient({ baseUrl })
    await assert.rejects(client.devices.list(), (error) => {
      assert.ok(isDroverError(error, 'serverUnreachable'))
      assert.ok(error.message.includes(`${baseUrl}: connect ECONNREFUSED`), error.message)
      return true
    })
  })

  it('says so when the answer is late, or is none of Drover', async () => {
    const silent = await serve(() => {})
    const late = createClient({ baseUrl: silent.baseUrl, timeoutMs: 20 })
    await assert.rejects(late.devices.list(), /no answer within 20 ms/)
    const other = await serve((_, response) => response.writeHead(502).end('<html>'))
    await assert.rejects(
      createClient({ baseUrl: other.baseUrl }).devices.list(),
      (error) => isDroverError(error, 'unexpectedAnswer') && /status 502/.test(error.message),
    )
    const page = await serve((_, response) => response.end('<html>'))
    await assert.rejects(createClient({ baseUrl: page.baseUrl }).devices.list(), (error) =>
      isDroverError(error, 'unexpectedAnswer'),
    )
  })

  it('keeps an abort an abort', async () => {
    const { baseUrl } = await serve(() => {})
    const asked = createClient({ baseUrl }).devices.list({}, AbortSignal.abort())
    await assert.rejects(asked, { name: 'AbortError' })
  })

  it('walks all pages', async () => {
    const { baseUrl } = await serve(({ url }, response) => {
      const last = url.includes('cursor=2')
      json(response, { items: last ? ['c'] : ['a', 'b'], nextCursor: last ? null : '2' })
    })
    const client = createClient({ baseUrl })
    const items: unknown[] = []
    for await (const item of eachItem((cursor) => client.devices.list({ cursor }))) items.push(item)
    assert.deepEqual(items, ['a', 'b', 'c'])
  })
})

const event: LiveEvent = { type: 'gap' }
function stream(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' }).write(text)
}

describe('the live feed', () => {
  it('resumes behind the last event after the connection was lost', async () => {
    let connections = 0
    const { baseUrl, seen } = await serve((_, response) => {
      connections += 1
      stream(response, `id: ${connections}\ndata: ${JSON.stringify(event)}\n\n`)
      if (connections === 1) response.end()
    })
    const states: LiveState[] = []
    const live = createClient({ baseUrl, key: 'k' }).live({
      devices: ['a', 'b'],
      retryMsMax: 1,
      onState: (state) => states.push(state),
    })
    assert.deepEqual((await live.next()).value, event)
    assert.deepEqual((await live.next()).value, event)
    await live.return()
    assert.equal(seen[0]!.url, '/api/v1/live?device=a%2Cb')
    assert.equal(seen[0]!.headers['last-event-id'], undefined)
    assert.equal(seen[1]!.headers['last-event-id'], '1')
    assert.deepEqual(states, ['connecting', 'open', 'waiting', 'connecting', 'open'])
  })

  it('puts events together that arrive in pieces, and skips comments', async () => {
    const { baseUrl } = await serve((_, response) => {
      stream(response, ': hello\r\nid: 1\r\nda')
      setImmediate(() => response.write('ta: {"type":\r\ndata: "gap"}\r'))
      setTimeout(() => response.write('\n\r\n'), 5)
    })
    const live = createClient({ baseUrl }).live()
    assert.deepEqual((await live.next()).value, event)
    await live.return()
  })

  it('waits for a server that is away, and ends when told to', async () => {
    const aborter = new AbortController()
    const errors: string[] = []
    const live = createClient({ baseUrl: await addressOfNobody() }).live({
      signal: aborter.signal,
      retryMsMax: 1,
      onState(state, error) {
        if (state === 'waiting' && error) errors.push(error.code)
        if (errors.length === 3) aborter.abort()
      },
    })
    assert.equal((await live.next()).done, true)
    assert.deepEqual(errors, Array(3).fill('serverUnreachable'))
  })

  it('makes a silent connection again', async () => {
    let connections = 0
    const { baseUrl } = await serve((_, response) => {
      connections += 1
      stream(response, connections === 1 ? ': open\n\n' : `data: ${JSON.stringify(event)}\n\n`)
    })
    const live = createClient({ baseUrl }).live({ silenceMsMax: 30, retryMsMax: 1 })
    assert.deepEqual((await live.next()).value, event)
    await live.return()
  })

  it('throws what waiting does not mend', async () => {
    const { baseUrl } = await serve((_, response) =>
      json(response, errorBody(new DroverError('badCredentials')), 401),
    )
    await assert.rejects(createClient({ baseUrl }).live().next(), (error) =>
      isDroverError(error, 'badCredentials'),
    )
  })
})
