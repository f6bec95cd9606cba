import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDroverError, limits } from '@drover/protocol'
import { createDirectory, type RestoredSession } from './directory.ts'
import type { EndReason, KeptPresence } from './presence.ts'
import type { GatewaySessions, OpenRequest, SessionDirectory } from './sessions.ts'
import { TestAuthenticator, testDevice } from './test-kit.ts'

function start(restored: RestoredSession[] = [], kept: KeptPresence[] = []) {
  let nowMs = Date.UTC(2026, 0, 1)
  const authenticator = new TestAuthenticator()
  const directory = createDirectory({ authenticator, restored, kept, nowMs: () => nowMs })
  return {
    directory,
    authenticator,
    advance(ms: number) {
      nowMs += ms
    },
    now: () => new Date(nowMs).toISOString(),
  }
}

/** A gateway whose connections end when they are told to; what it still has on its way settles on request. */
function attach(directory: ReturnType<typeof createDirectory>, unsettled = false) {
  const ended: [number, EndReason][] = []
  const settling: (() => void)[] = []
  let at: SessionDirectory
  const sessions: GatewaySessions = {
    end(connection, reason) {
      if (!ended.some(([number]) => number === connection)) {
        ended.push([connection, reason])
        at.closed({ connection, reason, expirySeconds: undefined, unsettled, resetPending: false })
      }
      if (!unsettled) return Promise.resolve()
      return new Promise((resolve) =>
        settling.push(() => {
          at.settled(connection, false)
          resolve()
        }),
      )
    },
  }
  const attached = directory.attach(sessions)
  at = attached
  const settle = () => {
    for (const each of settling.splice(0)) each()
  }
  return { ...attached, ended, settle }
}

let connections = 0
function request(fields: Partial<OpenRequest> = {}, device = testDevice(1)): OpenRequest {
  return {
    connection: ++connections,
    credentials: { deviceId: device.deviceId, token: device.token },
    clientId: 'client',
    cleanStart: false,
    expirySeconds: 60,
    ...fields,
  }
}

function closed(connection: number, reason: EndReason = 'disconnected') {
  return { connection, reason, expirySeconds: undefined, unsettled: false, resetPending: false }
}

test('a device is online while any session is open, and then says why it is not', async () => {
  const { directory, advance, now } = start()
  const gateway = attach(directory)
  assert.deepEqual(directory.connection(1), {
    online: false,
    since: null,
    lastSeen: null,
    reason: null,
    sessions: 0,
  })
  const began = now()
  const [one, two] = [request({ clientId: 'one' }), request({ clientId: 'two' })]
  await gateway.open(one)
  advance(1_000)
  await gateway.open(two)
  assert.deepEqual(directory.connection(1), {
    online: true,
    since: began,
    lastSeen: now(),
    reason: null,
    sessions: 2,
  })
  advance(1_000)
  gateway.active([one.connection])
  const seen = now()
  gateway.closed(closed(one.connection))
  assert.equal(directory.connection(1).online, true)
  advance(1_000)
  gateway.closed(closed(two.connection, 'keepAliveTimeout'))
  assert.deepEqual(directory.connection(1), {
    online: false,
    since: now(),
    lastSeen: seen,
    reason: 'keepAliveTimeout',
    sessions: 0,
  })
})

test('listeners hear of every change, and of no absence while a connection takes over', async () => {
  const { directory } = start()
  const [a, b] = [attach(directory), attach(directory)]
  const heard: [string, boolean, number][] = []
  const stop = directory.subscribe((device, { online, sessions }) =>
    heard.push([device.deviceId, online, sessions]),
  )
  const [first, second] = [request(), request()]
  await a.open(first)
  assert.equal((await b.open(second))!.present, true)
  assert.deepEqual(a.ended, [[first.connection, 'takenOver']])
  b.closed(closed(second.connection))
  assert.deepEqual(heard, [
    ['device-1', true, 1],
    ['device-1', true, 1],
    ['device-1', false, 0],
  ])
  stop()
  await a.open(request())
  assert.equal(heard.length, 3)
})

test('of many that claim a session at once the last one gets it', async () => {
  const { directory } = start()
  const slow = attach(directory, true)
  const gateway = attach(directory)
  await slow.open(request())
  const claims = [1, 2, 3].map(() => gateway.open(request()))
  await new Promise(setImmediate)
  slow.settle()
  const granted = await Promise.all(claims)
  assert.deepEqual(
    granted.map((session) => session !== undefined),
    [false, false, true],
  )
  assert.equal(directory.connection(1).sessions, 1)
})

test('who gives up waiting for a session leaves it offline, and free for the next', async () => {
  const { directory } = start()
  const slow = attach(directory, true)
  const gateway = attach(directory)
  await slow.open(request())
  const waiting = request()
  const claim = gateway.open(waiting)
  await new Promise(setImmediate)
  gateway.closed(closed(waiting.connection, 'connectionLost'))
  assert.equal(directory.connection(1).online, false)
  slow.settle()
  assert.equal(await claim, undefined)
  assert.equal((await gateway.open(request()))!.present, true)
  assert.equal(directory.connection(1).online, true)
})

test('a gateway that is gone takes its sessions with it, and keeps nobody waiting', async () => {
  const { directory } = start()
  const gone = attach(directory)
  await gone.open(request())
  gone.detach()
  assert.equal(directory.connection(1).reason, 'serverStopped')
  assert.equal((await attach(directory).open(request()))!.present, true)
})

test('sessions expire, and those restored go on until they do', async () => {
  const { directory, advance } = start([{ deviceUid: 1, clientId: 'client' }])
  const gateway = attach(directory)
  const first = request({ expirySeconds: 10 })
  assert.deepEqual(
    await gateway
      .open(first)
      .then((session) => ({ present: session!.present, resetPending: session!.resetPending })),
    { present: true, resetPending: false },
  )
  gateway.closed({ ...closed(first.connection), expirySeconds: 10 })
  advance(9_999)
  directory.sweep()
  const second = request({ expirySeconds: 10 })
  assert.equal((await gateway.open(second))!.present, true)
  gateway.closed({ ...closed(second.connection), expirySeconds: 10 })
  advance(10_000)
  directory.sweep()
  const third = await gateway.open(request())
  assert.deepEqual([third!.present, third!.resetPending], [false, true])
})

test('sessions that nobody uses do not pile up: the one that expires first makes room', async () => {
  const { directory } = start()
  const gateway = attach(directory)
  for (let n = 0; n < limits.connectionsPerDevice + 1; n++) {
    const each = request({ clientId: `c${n}`, expirySeconds: 100 + n })
    await gateway.open(each)
    gateway.closed({ ...closed(each.connection), expirySeconds: 100 + n })
  }
  assert.equal((await gateway.open(request({ clientId: 'c1' })))!.present, true)
  assert.equal((await gateway.open(request({ clientId: 'c0' })))!.present, false)
})

test('a token that is revoked while it is checked does not get in', async () => {
  const { directory, authenticator } = start()
  const gateway = attach(directory)
  const { keyId } = testDevice(1)
  const opening = gateway.open(request())
  authenticator.revoked.add(keyId)
  await directory.closeToken(keyId)
  await assert.rejects(opening, (error) => isDroverError(error, 'badCredentials'))
  assert.equal(directory.connection(1).online, false)
})

test('closing a device ends all its sessions and those of no other', async () => {
  const { directory } = start()
  const gateway = attach(directory)
  const own = [request({ clientId: 'a' }), request({ clientId: 'b' })]
  for (const each of [...own, request({}, testDevice(2))]) await gateway.open(each)
  await directory.closeDevice(1, 'deviceSuspended')
  assert.deepEqual(
    gateway.ended,
    own.map(({ connection }) => [connection, 'deviceSuspended']),
  )
  assert.equal(directory.connection(1).reason, 'deviceSuspended')
  assert.equal(directory.connection(2).online, true)
  await directory.closeDevice(2, 'deviceDeleted')
  assert.deepEqual(directory.connection(2), {
    online: false,
    since: null,
    lastSeen: null,
    reason: null,
    sessions: 0,
  })
})

test('a sign of life over HTTP is seen without a session', async () => {
  const { directory, now } = start()
  directory.seen(testDevice(3))
  assert.deepEqual(directory.connection(3), {
    online: false,
    since: null,
    lastSeen: now(),
    reason: null,
    sessions: 0,
  })
})

/** What is given to be kept. */
async function keep(directory: ReturnType<typeof createDirectory>, devicesMax = 100, last = false) {
  const given: KeptPresence[] = []
  const keeping = async (presence: readonly KeptPresence[]) => void given.push(...presence)
  assert.equal(await directory.keepChanges(keeping, devicesMax, last), given.length)
  return given
}

test('what changes is given to be kept, once, and then found by the next process', async () => {
  const { directory, advance, now } = start()
  const gateway = attach(directory)
  const [online, gone] = [request(), request({}, testDevice(2))]
  await gateway.open(online)
  await gateway.open(gone)
  const began = now()
  directory.seen(testDevice(3))
  advance(1_000)
  gateway.closed(closed(gone.connection, 'keepAliveTimeout'))
  const kept = [...(await keep(directory, 2)), ...(await keep(directory, 2))]
  assert.deepEqual(kept.map(({ deviceUid }) => deviceUid).sort(), [1, 2, 3])
  assert.deepEqual(await keep(directory), [])

  const { directory: next } = start([], kept)
  const offline = { online: false, lastSeen: began, sessions: 0 }
  assert.deepEqual(next.connection(1), { ...offline, since: began, reason: 'serverStopped' })
  assert.deepEqual(next.connection(2), { ...offline, since: now(), reason: 'keepAliveTimeout' })
  assert.deepEqual(next.connection(3), { ...offline, since: null, reason: null })
  assert.deepEqual(await keep(next), [])
})

test('that a device was seen is kept once a minute and at the end, and what fails is tried again', async () => {
  const { directory, advance, now } = start()
  const gateway = attach(directory)
  const open = request()
  await gateway.open(open)
  const began = Date.parse(now())
  const full = async () => Promise.reject(new Error('disk full'))
  await assert.rejects(directory.keepChanges(full, 100), { message: 'disk full' })
  assert.equal((await keep(directory))[0]!.lastSeenMs, began)
  advance(59_000)
  gateway.active([open.connection])
  assert.deepEqual(await keep(directory), [])
  advance(1_000)
  assert.deepEqual(
    (await keep(directory)).map(({ lastSeenMs }) => lastSeenMs),
    [began + 59_000],
  )
  gateway.active([open.connection])
  assert.deepEqual(await keep(directory), [])
  assert.equal((await keep(directory, 100, true))[0]!.lastSeenMs, began + 60_000)
})
