import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Api } from './fastify.ts'

/** Answers a request that no route takes, or leaves it. */
export type Fallback = (request: FastifyRequest, reply: FastifyReply) => FastifyReply | undefined

/** Which methods a path has, so that a wrong one is answered with 405 and those that are possible. */
export class RouteList {
  readonly #routes: { readonly pattern: RegExp; readonly methods: readonly string[] }[] = []

  /** Has to be called before the routes are added. */
  watch(api: Api): void {
    api.addHook('onRoute', ({ url, method }) => {
      // The route of the console's files matches everything and says nothing.
      if (!url.includes('*')) this.#routes.push({ pattern: patternOf(url), methods: [method].flat() })
    })
  }

  fallback: Fallback = () => undefined

  setFallback(fallback: Fallback): void {
    this.fallback = fallback
  }

  methodsAt(path: string): string[] {
    const found = this.#routes.filter(({ pattern }) => pattern.test(path))
    return [...new Set(found.flatMap(({ methods }) => methods))].sort()
  }
}

/** `/devices/:id` → any one segment for `:id`. */
function patternOf(url: string): RegExp {
  const parts = url.split('/').map((part) => (part.startsWith(':') ? '[^/]+' : part.replaceAll('.', '\\.')))
  return new RegExp(`^${parts.join('/')}$`)
}
