import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, afterEach, before, describe, it } from 'node:test'
import { type LiveEvent, limits } from '@drover/protocol'
import { type ApiListener, listenApi } from '../listen.ts'
import { type ApiFixture, adminKey, bearer, createApiFixture } from '../testing/api-fixture.ts'

let fixture: ApiFixture
let listener: ApiListener
let uid = 0
let other = 0
const aborters: AbortController[] = []

before(async () => {
  fixture = await createApiFixture()
  listener = await listenApi(fixture.app, { host: '127.0.0.1', port: 0 })
  uid = (await fixture.addDevice('one', { tags: ['t'] })).uid
  other = (await fixture.addDevice('two')).uid
})
afterEach(() => {
  for (const aborter of aborters.splice(0)) aborter.abort()
})
after(async () => {
  await fixture.close()
  await listener.close()
})

async function open(query = '', headers: Record<string, string> = {}) {
  const aborter = new AbortController()
  aborters.push(aborter)
  const url = `http://127.0.0.1:${listener.port}/api/v1/live${query}`
  const response = await fetch(url, { headers: { ...bearer(adminKey), ...headers }, signal: aborter.signal })
  assert.equal(response.status, 200)
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  return {
    response,
    abort: () => aborter.abort(),
    /** Reads until the pattern is there; answers all read since the last call. */
    async until(pattern: RegExp): Promise<string> {
      while (!pattern.test(text)) {
        const { value, done } = await reader.read()
        if (done) throw new Error(`ended after ${text}`)
        text += value
      }
      const read = text
      text = ''
      return read
    },
    async ended(): Promise<boolean> {
      for (;;) if ((await reader.read()).done) return true
    },
  }
}

const publish = (deviceUid: number, device: string) =>
  fixture.live.publish({
    tenant: 1,
    deviceUid,
    event: {
      type: 'points',
      device,
      points: [{ metric: 't', time: '2026-11-22T00:00:00.000Z', value: 1, quality: 'good' }],
    },
  })
const eventsIn = (text: string) =>
  [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data!) as LiveEvent)
const lastId = (text: string) => [...text.matchAll(/^id: (.*)$/gm)].at(-1)![1]!

describe('the live feed over SSE', () => {
  it('tells what happens, as events with a cursor', async () => {
    const feed = await open()
    assert.match(String(feed.response.headers.get('content-type')), /^text\/event-stream/)
    assert.equal(feed.response.headers.get('cache-control'), 'no-store')
    assert.equal(feed.response.headers.get('x-content-type-options'), 'nosniff')
    await feed.until(/: open\n\n/)
    publish(uid, 'one')
    const text = await feed.until(/data: .*\n\n/)
    assert.match(text, /^id: test\.\w+-\d+\ndata: \{.*\}\n\n$/)
    assert.equal(eventsIn(text)[0]!.type, 'points')
  })

  it('tells of the devices, tags and kinds that were asked for', async () => {
    const feeds = await Promise.all(
      ['?device=two', '?device=one,two', '?device=one&device=two', '?tag=t', '?types=connection'].map(
        (query) => open(query),
      ),
    )
    const connection = fixture.presence.connection(other)
    publish(uid, 'one')
    publish(other, 'two')
    fixture.live.publish({
      tenant: 1,
      deviceUid: uid,
      event: { type: 'connection', device: 'one', connection },
    })
    fixture.live.publish({
      tenant: 1,
      deviceUid: other,
      event: { type: 'connection', device: 'two', connection },
    })
    const expected = [
      ['points two', 'connection two'],
      ['points one', 'points two', 'connection one', 'connection two'],
      ['points one', 'points two', 'connection one', 'connection two'],
      ['points one', 'connection one'],
      ['connection one', 'connection two'],
    ]
    for (const [at, feed] of feeds.entries()) {
      const wanted = expected[at]!
      let found: string[] = []
      while (found.length < wanted.length) {
        const events = eventsIn(await feed.until(/data: .*\n\n/))
        found = [...found, ...events.map((event) => `${event.type} ${'device' in event ? event.device : ''}`)]
      }
      assert.deepEqual(found, wanted)
    }
  })

  it('goes on after the last event that was seen', async () => {
    const first = await open('?device=one')
    publish(uid, 'one')
    const id = lastId(await first.until(/data: .*\n\n/))
    first.abort()
    publish(uid, 'one')
    const second = await open('?device=one', { 'last-event-id': id })
    const text = await second.until(/data: .*\n\n/)
    assert.equal(eventsIn(text)[0]!.type, 'points')
    assert.notEqual(lastId(text), id)
    const late = await open(`?lastEventId=other-1`)
    assert.deepEqual(eventsIn(await late.until(/data: .*\n\n/)), [{ type: 'gap' }])
  })

  it('shows that it lives when nothing happens', async () => {
    const feed = await open()
    await feed.until(/: open\n\n/)
    const beats = fixture.timers.filter(({ periodMs }) => periodMs === limits.liveHeartbeatSeconds * 1_000)
    for (const { task } of beats) task()
    await feed.until(/: alive\n\n/)
  })

  it('ends with the console session that opened it', async () => {
    const session = await fixture.app.inject({
      method: 'POST',
      url: '/api/v1/session',
      payload: { key: adminKey },
    })
    const [cookie] = session.cookies
    const headers = { authorization: '', cookie: `${cookie!.name}=${cookie!.value}` }
    const feed = await open('', headers)
    await feed.until(/: open\n\n/)
    const signedOut = await fixture.api.call('DELETE', '/session', undefined, {
      cookie: headers.cookie,
      'sec-fetch-site': 'same-origin',
    })
    assert.equal(signedOut.statusCode, 204)
    for (const { task } of [...fixture.timers]) task()
    assert.ok(await feed.ended())
  })

  it('gives a listener that does not read a gap, and holds back no one else', async () => {
    const socket = connect(listener.port, '127.0.0.1')
    const request = `GET /api/v1/live HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${adminKey}\r\n\r\n`
    await new Promise<void>((resolve) => socket.write(request, () => resolve()))
    await new Promise((resolve) => socket.once('data', resolve))
    socket.pause()
    const big: LiveEvent & { type: 'points' } = {
      type: 'points',
      device: 'one',
      points: [
        { metric: 't', time: '2026-11-22T00:00:00.000Z', value: 'x'.repeat(100_000), quality: 'good' },
      ],
    }
    for (let n = 0; n < 200; n++) {
      fixture.live.publish({ tenant: 1, deviceUid: uid, event: big })
      await new Promise(setImmediate)
    }
    let text = ''
    const gap = new Promise<void>((resolve) =>
      socket.on('data', (chunk) => {
        text = `${text.slice(-1_000)}${chunk}`
        if (text.includes('"type":"gap"')) resolve()
      }),
    )
    socket.resume()
    await gap
    socket.destroy()
  })

  it('is refused for devices that are not there, and past the limit of listeners', async () => {
    await fixture.api.fails('notFound', 'GET', '/live?device=none')
    await fixture.api.fails('badIdentifier', 'GET', '/live?device=%23')
    await fixture.api.fails('badRequest', 'GET', '/live?types=weather')
    const ignore = { receive: () => true, end: () => {} }
    const taken: { stop(): void }[] = []
    while (fixture.live.listeners < limits.liveListenersMax)
      taken.push(fixture.live.subscribe({ tenant: 1 }, ignore))
    assert.equal((await fixture.api.fails('tooManyConnections', 'GET', '/live')).status, 503)
    for (const { stop } of taken) stop()
  })
})

describe('the API when it stops', () => {
  it('ends its feeds, refuses what still comes, and lets go of the port', async () => {
    const stopping = await createApiFixture()
    const at = await listenApi(stopping.app, { host: '127.0.0.1', port: 0 })
    const url = `http://127.0.0.1:${at.port}/api/v1/live`
    const response = await fetch(url, { headers: bearer(adminKey) })
    const text = response.text()
    await at.close()
    assert.equal(await text, ': open\n\n')
    await assert.rejects(fetch(url))
    await stopping.close()
  })

  it('waits for the answers that are on their way, on connections that stay open', async () => {
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
    const { promise: answer, resolve: answerNow } = Promise.withResolvers<void>()
    const slow = await createApiFixture({
      readiness: async () => {
        ask()
        await answer
        return []
      },
    })
    const at = await listenApi(slow.app, { host: '127.0.0.1', port: 0 })
    const idle = connect(at.port, '127.0.0.1')
    await new Promise((resolve) => idle.once('connect', resolve))
    const answered = fetch(`http://127.0.0.1:${at.port}/readyz`)
    await asked
    const closed = at.close()
    answerNow()
    assert.equal((await answered).status, 200)
    await closed
    idle.destroy()
    await slow.close()
  })

  it('refuses what still comes when it is closed itself', async () => {
    const closing = await createApiFixture()
    const at = await listenApi(closing.app, { host: '127.0.0.1', port: 0 })
    await closing.app.close()
    const response = await fetch(`http://127.0.0.1:${at.port}/healthz`)
    assert.equal(response.status, 503)
    assert.equal(((await response.json()) as { error: { code: string } }).error.code, 'shuttingDown')
    await at.close()
    await closing.registry.close()
  })
})
