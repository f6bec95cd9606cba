import { DroverError } from '@drover/protocol'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { findKeyHolder } from '../../access/sessions.ts'
import { bearerOf } from '../authorize.ts'
import type { ApiContext } from '../context.ts'
import type { Api } from '../fastify.ts'
import { isFromHere } from '../from-here.ts'
import { answers } from '../rest/schemas.ts'

const tags = ['system']
const readinessSchema = z.object({
  ready: z.boolean(),
  checks: z.array(z.object({ name: z.string(), ready: z.boolean(), reason: z.string().optional() })),
})

/** What machines ask at the root: whether it lives, whether it works, how it fares, whom to trust. */
export function systemRoutes(api: Api, context: ApiContext): void {
  api.get(
    '/healthz',
    {
      schema: {
        tags,
        summary: 'Whether the process answers',
        security: [],
        response: answers({ 200: z.object({ status: z.literal('ok') }) }),
      },
    },
    async () => ({ status: 'ok' as const }),
  )
  api.get(
    '/readyz',
    {
      schema: {
        tags,
        summary: 'Whether every part works',
        security: [],
        response: answers({ 200: readinessSchema, 503: readinessSchema }),
      },
    },
    async (_, reply) => {
      const checks = [...(await context.readiness())]
      const ready = checks.every((check) => check.ready)
      return reply.code(ready ? 200 : 503).send({ ready, checks })
    },
  )
  api.get(
    '/metrics',
    { schema: { tags, summary: 'Metrics for Prometheus; from other machines with an administrator key' } },
    async (request, reply) => {
      await allowMetrics(context, request)
      return reply.type(context.metrics.contentType).send((await context.metrics.metrics()) as never)
    },
  )
  api.get(
    '/ca.pem',
    {
      schema: { tags, summary: "The certificate of the server's own authority, to be trusted", security: [] },
    },
    async (_, reply) => {
      const certificate = context.authorityCertificate?.()
      if (certificate === undefined) throw new DroverError('notFound', { kind: 'page', id: '/ca.pem' })
      return reply.type('application/x-pem-file').send(certificate as never)
    },
  )
}

async function allowMetrics(context: ApiContext, request: FastifyRequest): Promise<void> {
  if (isFromHere(request)) return
  const key = bearerOf(request)
  if (key === undefined) throw new DroverError('unauthenticated')
  await findKeyHolder(context, key, request.ip)
}
