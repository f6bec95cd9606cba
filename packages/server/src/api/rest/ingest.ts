import { DroverError, limits, parseDeviceToken } from '@drover/protocol'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { findKeyHolder } from '../../access/sessions.ts'
import type { DeviceIdentity } from '../../gateway/identity.ts'
import { contentTypes } from '../../queue/batch.ts'
import { bearerOf } from '../authorize.ts'
import type { ApiContext } from '../context.ts'
import { unsupported } from '../errors.ts'
import type { Api } from '../fastify.ts'
import { acceptedSchema, answers } from './schemas.ts'

const codes: Readonly<Record<string, number>> = {
  'application/json': contentTypes.json,
  'application/senml+json': contentTypes.senmlJson,
  'application/senml+cbor': contentTypes.senmlCbor,
  'application/cbor': contentTypes.cbor,
  'application/octet-stream': contentTypes.unknown,
}
const supported = Object.keys(codes).join(', ')
const jsonCodes = new Set<number>([contentTypes.json, contentTypes.senmlJson])

declare module 'fastify' {
  interface FastifyRequest {
    /** The device that sends, on the routes for devices. */
    device: DeviceIdentity
  }
}

/**
 * Telemetry over HTTP. Answers only after the message is durable; the body is not looked into before, so that a bad
 * one reaches quarantine too.
 */
export async function ingestRoutes(api: Api, context: ApiContext): Promise<void> {
  api.removeAllContentTypeParsers()
  api.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: limits.messageBytesMax }, (_, body, done) =>
    done(null, body),
  )
  api.decorateRequest('device')
  const schema = {
    tags: ['ingest'],
    summary: 'Send telemetry as a device; answered when it is durable',
    consumes: Object.keys(codes),
    security: [{ deviceToken: [] }],
    headers: z.object({ 'idempotency-key': z.string().optional() }),
  }
  api.post(
    '/ingest/telemetry',
    {
      bodyLimit: limits.messageBytesMax,
      schema: { ...schema, response: answers({ 202: acceptedSchema }) },
      onRequest: async (request) => {
        request.device = await identify(context, bearerOf(request))
        checkHeaders(request)
      },
    },
    async (request, reply) => {
      await accept(context, request)
      return reply.code(202).send({ accepted: true })
    },
  )
  // What ThingsBoard's devices send to; they take nothing but 200 for success.
  api.post(
    '/:token/telemetry',
    {
      bodyLimit: limits.messageBytesMax,
      schema: {
        ...schema,
        summary: "The same under the path that ThingsBoard's devices use",
        security: [],
        params: z.object({ token: z.string() }),
        response: answers({ 200: acceptedSchema }),
      },
      onRequest: async (request) => {
        request.device = await identify(context, (request.params as { token: string }).token)
        checkHeaders(request)
      },
    },
    async (request) => {
      await accept(context, request)
      return { accepted: true as const }
    },
  )
}

async function identify(context: ApiContext, token: string | undefined): Promise<DeviceIdentity> {
  if (token === undefined) throw new DroverError('unauthenticated')
  const asAdministrator = parseDeviceToken(token)
    ? undefined
    : await findKeyHolder(context, token, '').catch(no)
  if (asAdministrator)
    throw new DroverError('forbidden', { reason: 'only a device sends telemetry, with its own token' })
  return context.deviceAccess.authenticate({ deviceId: undefined, token })
}

const no = () => undefined

function checkHeaders(request: FastifyRequest): void {
  contentCode(request)
  const encoding = request.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity')
    throw new DroverError('unsupportedMediaType', {
      contentType: `${encoding} encoding`,
      supported: 'identity',
    })
  const key = request.headers['idempotency-key']
  if (key === undefined) return
  if (typeof key === 'string' && key.length > 0 && key.length <= limits.idempotencyKeyBytesMax) return
  const reason = `Idempotency-Key has to be 1 to ${limits.idempotencyKeyBytesMax} characters`
  throw new DroverError('badRequest', { reason })
}

function contentCode(request: FastifyRequest): number {
  const [type = ''] = (request.headers['content-type'] ?? 'application/octet-stream').split(';', 1)
  const code = codes[type.trim().toLowerCase()]
  if (code === undefined) throw unsupported(request, supported)
  return code
}

async function accept({ ingest, presence }: ApiContext, request: FastifyRequest): Promise<void> {
  const payload = request.body as Buffer | null
  if (!payload || payload.length === 0) throw new DroverError('badRequest', { reason: 'the body is empty' })
  const contentType = contentCode(request)
  const idempotencyKey = request.headers['idempotency-key'] as string | undefined
  // The queue may keep the bytes; whether they parse is found out first, and said after.
  const unreadable = jsonCodes.has(contentType) && !parses(payload)
  await ingest.append(request.device, { contentType, payload, idempotencyKey })
  presence.seen(request.device)
  if (!unreadable) return
  throw new DroverError('badRequest', {
    reason: 'payloadNotJson: the body is not valid JSON; it is kept in quarantine',
  })
}

function parses(payload: Buffer): boolean {
  try {
    JSON.parse(payload.toString('utf8'))
    return true
  } catch {
    return false
  }
}
