import type { FastifyRequest } from 'fastify'

const loopback = /^(127\.|::1$|::ffff:127\.)/
/** What proxies say of the request that they hand on. */
const forwarded = ['forwarded', 'x-forwarded-for', 'via']

/** Whether the client is on this machine, as far as one can tell: a proxy beside the server is not the client. */
export function isFromHere({ ip, headers }: FastifyRequest): boolean {
  return loopback.test(ip) && forwarded.every((name) => headers[name] === undefined)
}
