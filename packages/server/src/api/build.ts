import { DroverError, limits } from '@drover/protocol'
import cookie from '@fastify/cookie'
import { type FastifyInstance, fastify, LogController } from 'fastify'
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod'
import { authorize } from './authorize.ts'
import { compressAnswers } from './compression.ts'
import type { ApiContext } from './context.ts'
import { answerErrors, sendError } from './errors.ts'
import type { Api } from './fastify.ts'
import { liveRoute } from './live/sse.ts'
import { measureRequests } from './metrics.ts'
import { serveConsole } from './pages/console.ts'
import { documentRoutes } from './pages/reference.ts'
import { addSecurityHeaders } from './pages/security-headers.ts'
import { systemRoutes } from './pages/system.ts'
import { deviceRoutes } from './rest/devices.ts'
import { importRoutes } from './rest/imports.ts'
import { ingestRoutes } from './rest/ingest.ts'
import { profileRoutes } from './rest/profiles.ts'
import { serverRoutes } from './rest/server.ts'
import { sessionRoutes, signInRoute } from './rest/session.ts'
import { telemetryRoutes } from './rest/telemetry.ts'
import { RouteList } from './route-list.ts'

/**
 * The HTTP side of the server: API, reference, console, and what machines ask. It listens nowhere yet: `listenApi` puts
 * it behind any number of listeners. `close` ends its live feeds and refuses what still comes.
 */
export async function buildApi(context: ApiContext): Promise<FastifyInstance> {
  const app = newFastify(context)
  const api: Api = app.withTypeProvider<ZodTypeProvider>()
  api.setValidatorCompiler(validatorCompiler)
  api.setSerializerCompiler(serializerCompiler)
  const routes = new RouteList()
  routes.watch(api)
  answerErrors(api, routes)
  endWithServer(api, context)
  addSecurityHeaders(api, context.consoleDirectory)
  measureRequests(api, context.metrics)
  await api.register(cookie)
  await compressAnswers(api)
  await documentRoutes(api, context)
  systemRoutes(api, context)
  await api.register((v1) => addApiRoutes(v1.withTypeProvider<ZodTypeProvider>(), context), {
    prefix: '/api/v1',
  })
  const console = await serveConsole(api, context.consoleDirectory)
  routes.setFallback(console.page)
  await app.ready()
  return app
}

function newFastify({ logger, trustedProxies }: ApiContext): FastifyInstance {
  return fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: trustedProxies === undefined ? false : [...trustedProxies],
    bodyLimit: limits.requestBytesMax,
    return503OnClosing: false,
    routerOptions: { maxParamLength: 1_024 },
    frameworkErrors: (error, request, reply) => sendError(request, reply, error),
  }) as unknown as FastifyInstance
}

async function addApiRoutes(v1: Api, context: ApiContext): Promise<void> {
  const { api, ingest } = context.serves ?? { api: true, ingest: true }
  if (api) signInRoute(v1, context)
  if (ingest) await v1.register((scope) => ingestRoutes(scope.withTypeProvider<ZodTypeProvider>(), context))
  if (!api) return
  await v1.register(async (scope) => {
    const guarded = scope.withTypeProvider<ZodTypeProvider>()
    guarded.decorateRequest('actor')
    guarded.decorateRequest('sessionSecret')
    guarded.addHook('onRequest', (request) => authorize(context, request))
    deviceRoutes(guarded, context)
    profileRoutes(guarded, context)
    telemetryRoutes(guarded, context)
    sessionRoutes(guarded, context)
    serverRoutes(guarded, context)
    liveRoute(guarded, context)
    await guarded.register((imports) => importRoutes(imports.withTypeProvider<ZodTypeProvider>(), context))
  })
}

/** While it stops, it answers what it has begun, ends what never ends by itself, and refuses the rest. */
function endWithServer(api: Api, { live }: ApiContext): void {
  let closing = false
  api.decorate('endLiveFeeds', () => live.endAll())
  api.addHook('preClose', async () => {
    closing = true
    live.close()
  })
  api.addHook('onRequest', async () => {
    if (closing) throw new DroverError('shuttingDown')
  })
}
