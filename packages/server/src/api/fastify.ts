import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { Actor } from '../access/actor.ts'

/** Fastify whose routes take and give what their Zod schemas say. */
export type Api = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>

declare module 'fastify' {
  interface FastifyInstance {
    /** Ends the answers that never end by themselves. */
    endLiveFeeds(): void
  }
  interface FastifyRequest {
    /** Who asks; set for all routes but those that say they are open. */
    actor: Actor
    /** The console session of the cookie, when the request came with one. */
    sessionSecret: string | undefined
  }
}
