import assert from 'node:assert/strict'
import type { Connection, ErrorCode, ServerInfo } from '@drover/protocol'
import type { FastifyInstance, InjectOptions } from 'fastify'
import { createDeviceAuthenticator } from '../../access/device-authenticator.ts'
import { RefusalLog } from '../../access/refusals.ts'
import { sha256 } from '../../access/secrets.ts'
import { SignInAttempts } from '../../access/sign-in-attempts.ts'
import type { DeviceIdentity } from '../../gateway/identity.ts'
import type { IngestRecord } from '../../gateway/ingest.ts'
import type { EndReason, Presence } from '../../gateway/presence.ts'
import { LiveFeed } from '../../live/feed.ts'
import { openRegistry } from '../../registry/registry.ts'
import { createMemoryStore } from '../../store/memory.ts'
import { PointColumns } from '../../store/points.ts'
import type { QuarantineRow, Series, StoreBatch } from '../../store/store.ts'
import { buildApi } from '../build.ts'
import type { ApiContext } from '../context.ts'
import { createMetrics } from '../metrics.ts'

export const adminKey = `ak_${'A'.repeat(43)}`
export const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

/** Presence without gateways: devices are online when the test says so. */
export class PresenceDouble implements Presence {
  readonly online = new Set<number>()
  readonly closed: (readonly [number | string, EndReason])[] = []
  readonly seenDevices: string[] = []

  connection(deviceUid: number): Connection {
    const online = this.online.has(deviceUid)
    return { online, since: null, lastSeen: null, reason: null, sessions: online ? 1 : 0 }
  }
  async closeDevice(deviceUid: number, reason: EndReason): Promise<void> {
    this.closed.push([deviceUid, reason])
  }
  async closeToken(keyId: string): Promise<void> {
    this.closed.push([keyId, 'tokenRevoked'])
  }
  seen({ deviceId }: DeviceIdentity): void {
    this.seenDevices.push(deviceId)
  }
  subscribe(): () => void {
    return () => {}
  }
}

/** Values of one series: numbers, or the texts that the store keeps for all else. */
export interface SeriesInput extends Partial<Series> {
  readonly values: readonly {
    readonly at: number
    readonly value: number | string
    readonly suspect?: boolean
  }[]
}

const serverInfo: ServerInfo = {
  version: '0.1.0',
  host: 'test.local',
  ports: { http: 8080, https: null, mqtt: 1883, mqtts: null },
}

function manualClock() {
  const time = { nowMicros: Date.UTC(2026, 10, 22) * 1000 }
  const timers: { readonly periodMs: number; readonly task: () => void }[] = []
  const clock = {
    nowMicros: () => time.nowMicros,
    every(periodMs: number, task: () => void) {
      const timer = { periodMs, task }
      timers.push(timer)
      return () => void timers.splice(timers.indexOf(timer), 1)
    },
  }
  return { time, timers, clock }
}

/** The API over a store and a registry in memory, with a clock that the test moves. */
export async function createApiFixture(overrides: Partial<ApiContext> = {}) {
  const { time, timers, clock } = manualClock()
  const registry = await openRegistry({ path: ':memory:', nowMicros: clock.nowMicros })
  await registry.adminKeys.put(1, 'admin-key', sha256(adminKey), time.nowMicros)
  const store = createMemoryStore({ clock: () => time.nowMicros / 1000 })
  const refusals = new RefusalLog(registry, clock)
  const presence = new PresenceDouble()
  const live = new LiveFeed({ clock, boot: 'test' })
  const changes: string[] = []
  const appended: { readonly device: DeviceIdentity; readonly record: IngestRecord }[] = []
  const context: ApiContext = {
    registry,
    clock,
    refusals,
    signInAttempts: new SignInAttempts(clock.nowMicros),
    deviceAccess: createDeviceAuthenticator({ registry, clock, refusals }),
    presence,
    storage: {
      devicesChanged: async (uids) => void changes.push(`devices ${[uids].flat().join(' ')}`),
      profileChanged: async (_, id) => void changes.push(`profile ${id}`),
      deleteDevice: async (uid) => {
        changes.push(`delete ${uid}`)
        await store.writer.deleteDevice(uid)
      },
    },
    reader: store.reader,
    ingest: { append: async (device, record) => void appended.push({ device, record }) },
    live,
    metrics: createMetrics([]),
    readiness: async () => [{ name: 'store', ready: true }],
    serverInfo: () => serverInfo,
    backup: async (directory) => ({ directory, bytes: 0, createdAt: '2026-11-22T00:00:00.000Z' }),
    ...overrides,
  }
  const app = await buildApi(context)
  const api = new ApiCaller(app)
  let version = 0
  let nextSeries = 1

  async function write(batch: Partial<StoreBatch>): Promise<void> {
    const position = ++version
    await store.writer.write({
      newSeries: [],
      numbers: new PointColumns(),
      texts: [],
      quarantine: [],
      quarantineDropped: new Map(),
      newKeys: [],
      releasedKeys: [],
      queueBytes: 0,
      position: {
        consumer: 'test',
        partition: 0,
        identity: 'log',
        expected: position === 1 ? undefined : position - 1,
        position,
      },
      ...batch,
    })
  }

  return {
    app,
    api,
    context,
    registry,
    store,
    presence,
    live,
    changes,
    appended,
    time,
    timers,
    /** Creates a device over the API; answers its uid and token. */
    async addDevice(id: string, more: object = {}) {
      const { device, token } = await api.ok('POST', '/devices', { id, ...more }, 201)
      return { uid: device.uid as number, token: token as string }
    },
    async addSeries(deviceUid: number, metric: string, { values, ...more }: SeriesInput): Promise<number> {
      const id = nextSeries++
      const series: Series = { id, tenant: 1, deviceUid, metric, type: 'number', unit: null, ...more }
      const numbers = new PointColumns()
      const texts: StoreBatch['texts'][number][] = []
      for (const { at, value, suspect } of values) {
        const quality = suspect ? 1 : 0
        if (typeof value === 'number') numbers.add(id, at, value, quality, version + 1)
        else texts.push({ series: id, timeMicros: at, text: value, quality, version: version + 1 })
      }
      await write({ newSeries: [series], numbers, texts })
      return id
    },
    async quarantine(
      rows: readonly (Partial<QuarantineRow> & { readonly deviceUid: number })[],
    ): Promise<void> {
      const base = {
        tenant: 1,
        reason: 'outOfRange' as const,
        message: '-273 is below -40',
        metric: 't',
        receivedAtMicros: time.nowMicros,
        contentType: 1,
        payload: Buffer.from('{"t":-273}'),
        payloadBytes: 10,
        version: version + 1,
      }
      await write({ quarantine: rows.map((row) => ({ ...base, ...row })) })
    },
    async dropped(deviceUid: number, count: number): Promise<void> {
      await write({ quarantineDropped: new Map([[deviceUid, count]]) })
    },
    async close(): Promise<void> {
      await app.close()
      await registry.close()
      await store.close()
    },
  }
}

export type ApiFixture = Awaited<ReturnType<typeof createApiFixture>>

/** Calls `/api/v1` without a socket, with the administrator's key unless told otherwise. */
class ApiCaller {
  readonly #app: FastifyInstance

  constructor(app: FastifyInstance) {
    this.#app = app
  }

  call(method: string, path: string, body?: unknown, headers: Record<string, string> = bearer(adminKey)) {
    const request: InjectOptions = { method: method as 'GET', url: `/api/v1${path}`, headers }
    return this.#app.inject(body === undefined ? request : { ...request, payload: body as object })
  }

  /** The answer's JSON; fails on any other status. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  async ok(method: string, path: string, body?: unknown, status = 200): Promise<any> {
    const answer = await this.call(method, path, body)
    assert.equal(answer.statusCode, status, `${method} ${path}: ${answer.body}`)
    return answer.body === '' ? undefined : answer.json()
  }

  async fails(
    code: ErrorCode,
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ) {
    const answer = await this.call(method, path, body, headers)
    const { error } = answer.json()
    assert.equal(error?.code, code, `${method} ${path}: ${answer.statusCode} ${answer.body}`)
    return { ...error, status: answer.statusCode } as { message: string; status: number; details: object }
  }
}
