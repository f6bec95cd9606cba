import { limits } from '@drover/protocol'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ApiContext } from './context.ts'

/**
 * Cookies are shared by all ports of a host: the name has the registry's, so that servers beside each other keep their
 * sessions apart, and TLS has its own, since a browser lets no plain connection replace a secure cookie.
 */
export function sessionCookie(
  { registry }: Pick<ApiContext, 'registry'>,
  { protocol }: FastifyRequest,
): string {
  return `drover-${protocol === 'https' ? 'secure-' : ''}${registry.instance}`
}

const attributes = ({ protocol }: FastifyRequest) =>
  ({ httpOnly: true, sameSite: 'strict', secure: protocol === 'https', path: '/' }) as const

export function setSessionCookie(
  context: ApiContext,
  request: FastifyRequest,
  reply: FastifyReply,
  secret: string,
) {
  const maxAge = limits.consoleSessionHours * 3_600
  reply.setCookie(sessionCookie(context, request), secret, { ...attributes(request), maxAge })
}

export function clearSessionCookie(context: ApiContext, request: FastifyRequest, reply: FastifyReply) {
  reply.clearCookie(sessionCookie(context, request), attributes(request))
}
