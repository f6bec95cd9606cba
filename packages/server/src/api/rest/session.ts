import {
  auditEntrySchema,
  DroverError,
  pageSchema,
  sessionInputSchema,
  sessionSchema,
} from '@drover/protocol'
import { listAudit } from '../../access/list-audit.ts'
import { findSession, signIn, signOut } from '../../access/sessions.ts'
import { formatTimeMicros } from '../../model/time.ts'
import type { ApiContext } from '../context.ts'
import type { Api } from '../fastify.ts'
import { clearSessionCookie, setSessionCookie } from '../session-cookie.ts'
import { answers, noContent, pageQuery } from './schemas.ts'

const tags = ['access']

/** The only one of these that needs no key: who has none yet signs in here. */
export function signInRoute(api: Api, context: ApiContext): void {
  api.post(
    '/session',
    {
      schema: {
        tags,
        summary: 'Sign in with an administrator key; a cookie opens the console for twelve hours',
        security: [],
        body: sessionInputSchema,
        response: answers({ 200: sessionSchema }),
      },
    },
    async (request, reply) => {
      const { secret, expiresAtMicros } = await signIn(context, request.body.key, request.ip)
      setSessionCookie(context, request, reply, secret)
      return { expiresAt: formatTimeMicros(expiresAtMicros) }
    },
  )
}

export function sessionRoutes(api: Api, context: ApiContext): void {
  api.get(
    '/session',
    { schema: { tags, summary: 'The session of the cookie', response: answers({ 200: sessionSchema }) } },
    async (request) => {
      if (request.sessionSecret === undefined)
        throw new DroverError('notFound', { kind: 'session', id: 'of this request' })
      const { expiresAtMicros } = await findSession(context, request.sessionSecret, request.ip)
      return { expiresAt: formatTimeMicros(expiresAtMicros) }
    },
  )
  api.delete(
    '/session',
    { schema: { tags, summary: 'Sign out', response: answers({ 204: noContent }) } },
    async (request, reply) => {
      if (request.sessionSecret !== undefined) await signOut(context, request.sessionSecret, request.actor)
      clearSessionCookie(context, request, reply)
      return reply.code(204).send(null)
    },
  )
  api.get(
    '/audit',
    {
      schema: {
        tags,
        summary: 'Who did what, and who was refused, the newest first',
        querystring: pageQuery,
        response: answers({ 200: pageSchema(auditEntrySchema) }),
      },
    },
    (request) => listAudit(context, request.actor, request.query),
  )
}
