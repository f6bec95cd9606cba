import { DroverError, isDroverError, parseDeviceToken } from '@drover/protocol'
import type { FastifyRequest } from 'fastify'
import { record } from '../access/actor.ts'
import { findKeyHolder, findSession } from '../access/sessions.ts'
import { defaultTenant } from '../model/device.ts'
import type { ApiContext } from './context.ts'
import { sessionCookie } from './session-cookie.ts'

/** The key of `Authorization: Bearer <key>`. */
export function bearerOf({ headers }: FastifyRequest): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1]
}

/**
 * Lets an administrator's key or console session pass, and says who it is. Rejects with `unauthenticated`,
 * `badCredentials`, or `forbidden` for a device's token.
 */
export async function authorize(context: ApiContext, request: FastifyRequest): Promise<void> {
  try {
    await identify(context, request)
  } catch (error) {
    if (isDroverError(error) && error.code !== 'unauthenticated') {
      const unknown = { tenant: defaultTenant, name: 'unknown', address: request.ip }
      const details = { code: error.code, method: request.method }
      context.refusals.add(record(unknown, 'access.refused', request.routeOptions.url ?? null, details))
    }
    throw error
  }
}

async function identify(context: ApiContext, request: FastifyRequest): Promise<void> {
  const key = bearerOf(request)
  if (key !== undefined) {
    if (parseDeviceToken(key)) await refuseDevice(context, key)
    request.actor = await findKeyHolder(context, key, request.ip)
    return
  }
  const secret = request.cookies[sessionCookie(context, request)]
  if (secret === undefined) throw new DroverError('unauthenticated')
  refuseForgery(request)
  request.actor = await findSession(context, secret, request.ip)
  request.sessionSecret = secret
}

async function refuseDevice({ deviceAccess }: ApiContext, token: string): Promise<never> {
  await deviceAccess.authenticate({ deviceId: undefined, token })
  throw new DroverError('forbidden', { reason: 'a device token only sends; use an administrator key' })
}

const readingMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * A page of another site cannot send JSON, or a header of its own, without the browser asking us first; and browsers
 * say themselves where a request comes from. The cookie is SameSite=Strict besides.
 */
function refuseForgery({ method, headers }: FastifyRequest): void {
  if (readingMethods.has(method)) return
  const site = headers['sec-fetch-site']
  const json = headers['content-type']?.startsWith('application/json') === true
  const own = site === 'same-origin' || headers['x-requested-with'] !== undefined || json
  if (own && (site === undefined || site === 'same-origin' || site === 'none')) return
  const reason = 'a write with a session cookie needs the header X-Requested-With, from the same origin'
  throw new DroverError('forbidden', { reason })
}
