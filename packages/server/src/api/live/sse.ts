import { limits } from '@drover/protocol'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { findSession } from '../../access/sessions.ts'
import { selectDevices } from '../../devices/resolve.ts'
import type { LiveFilter, NumberedEvent } from '../../live/feed.ts'
import type { ApiContext } from '../context.ts'
import type { Api } from '../fastify.ts'
import { liveQuery } from '../rest/schemas.ts'

type Query = z.output<typeof liveQuery>

/** Server-sent events (WHATWG HTML, section 9.2) of the live feed. */
export function liveRoute(api: Api, context: ApiContext): void {
  api.get(
    '/live',
    {
      schema: {
        tags: ['live'],
        summary: 'What happens, as it happens: server-sent events',
        description:
          'The data of each event is a LiveEvent, its id a cursor. Send it as `Last-Event-ID` to go on after it; ' +
          'what is not known any more is made up for by an event `gap`.',
        querystring: liveQuery,
        produces: ['text/event-stream'],
      },
    },
    async (request, reply) => {
      const filter = await filterOf(context, request)
      const cursor = request.query.lastEventId ?? request.headers['last-event-id']
      stream(context, request, reply, filter, cursor as string | undefined)
    },
  )
}

/** A tag stands for the devices that have it when the feed is opened. */
async function filterOf(
  { registry }: ApiContext,
  { query, actor }: FastifyRequest<{ Querystring: Query }>,
): Promise<LiveFilter> {
  const { device: devices, tag, types } = query
  const { tenant } = actor
  const selected =
    devices === undefined && tag === undefined
      ? undefined
      : await selectDevices(registry, tenant, { devices, tag })
  return {
    tenant,
    deviceUids: selected && new Set(selected.map(({ uid }) => uid)),
    types: types && new Set(types),
  }
}

const headers = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  // Proxies that buffer would hold events back.
  'x-accel-buffering': 'no',
}

function stream(
  context: ApiContext,
  request: FastifyRequest,
  reply: FastifyReply,
  filter: LiveFilter,
  cursor: string | undefined,
): void {
  const { live, clock } = context
  const { raw } = reply
  let stopBeating = () => {}
  const listener = {
    receive({ cursor, event }: NumberedEvent) {
      if (!started) start()
      raw.write(`id: ${cursor}\ndata: ${JSON.stringify(event)}\n\n`)
      return raw.writableLength < limits.liveBufferedBytesMax
    },
    end: () => raw.end(),
  }
  let started = false
  const start = () => {
    started = true
    reply.hijack()
    raw.writeHead(200, { ...reply.getHeaders(), ...headers } as Record<string, string>)
    raw.write(': open\n\n')
  }
  const subscription = live.subscribe(filter, listener, cursor)
  if (!started) start()
  raw.on('drain', () => subscription.resume())
  raw.on('close', () => {
    subscription.stop()
    stopBeating()
  })
  stopBeating = clock.every(limits.liveHeartbeatSeconds * 1_000, async () => {
    if (await stillSignedIn(context, request)) raw.write(': alive\n\n')
    else raw.end()
  })
}

/** A session that has ended does not go on listening. */
async function stillSignedIn(context: ApiContext, { sessionSecret, ip }: FastifyRequest): Promise<boolean> {
  if (sessionSecret === undefined) return true
  return findSession(context, sessionSecret, ip).then(
    () => true,
    () => false,
  )
}
