import { DroverError, errorBody, errorTable, isDroverError, limits } from '@drover/protocol'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Api } from './fastify.ts'
import type { RouteList } from './route-list.ts'

/** The body of every error, for the OpenAPI document. */
export const errorSchema = z.object({
  error: z.object({
    code: z.enum(Object.keys(errorTable) as [string, ...string[]]),
    message: z.string(),
    details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    retryable: z.boolean(),
  }),
})

/** Answers every failure in the one form, also of routes that do not exist. */
export function answerErrors(api: Api, routes: RouteList): void {
  api.setErrorHandler((error: FastifyError, request, reply) => sendError(request, reply, error))
  api.setNotFoundHandler(
    (request, reply) =>
      routes.fallback(request, reply) ?? sendError(request, reply, missing(request, reply, routes)),
  )
}

export function sendError(request: FastifyRequest, reply: FastifyReply, error: FastifyError | Error) {
  const known = toDroverError(error, request)
  if (known.code === 'internal') request.log.error({ error, requestId: request.id }, 'request failed')
  const status = known.code === 'queryTooLarge' ? 400 : errorTable[known.code].status
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="drover"')
  if (known.code === 'tooManyAttempts') reply.header('retry-after', String(known.details.seconds))
  // A part of the body may be unread; the connection is not fit for another request.
  if (known.code === 'payloadTooLarge') reply.header('connection', 'close')
  return reply
    .code(status)
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(errorBody(known)))
}

function missing(request: FastifyRequest, reply: FastifyReply, routes: RouteList): DroverError {
  const path = request.url.split('?', 1)[0]!.slice(0, 200)
  const methods = routes.methodsAt(path)
  if (methods.length === 0) return new DroverError('notFound', { kind: 'page', id: path })
  reply.header('allow', methods.join(', '))
  return new DroverError('methodNotAllowed', { method: request.method })
}

/** What Fastify calls its errors, and what we do. */
function toDroverError(error: FastifyError | Error, request: FastifyRequest): DroverError {
  if (isDroverError(error)) return error instanceof DroverError ? error : revived(error)
  const { code, validation, statusCode } = error as FastifyError
  if (validation) return invalid(validation, (error as FastifyError).validationContext ?? 'body', request)
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new DroverError('payloadTooLarge', {
      limit: request.routeOptions.bodyLimit ?? limits.requestBytesMax,
    })
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return unsupported(request, 'application/json')
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new DroverError('badRequest', { reason: error.message.replace(/\.$/, '') })
  return new DroverError('internal', { requestId: request.id }, error)
}

function revived({ code, details }: DroverError): DroverError {
  return new DroverError(code, details)
}

export function unsupported(request: FastifyRequest, supported: string): DroverError {
  const contentType = request.headers['content-type'] ?? '(none)'
  return new DroverError('unsupportedMediaType', { contentType, supported })
}

type Issue = NonNullable<FastifyError['validation']>[number]

/** Where each value is and what is wrong with it; a bad identifier has its own code. */
function invalid(issues: readonly Issue[], context: string, request: FastifyRequest): DroverError {
  const identifier = issues.find(isIdentifierIssue)
  if (identifier) {
    const source = context === 'body' ? request.body : context === 'params' ? request.params : request.query
    return new DroverError('badIdentifier', { id: shown(valueAt(source, identifier.instancePath)) })
  }
  const where = context === 'querystring' ? 'query' : context
  const reasons = issues.slice(0, 10).map(({ instancePath, message }) => {
    const path = instancePath.split('/').filter(Boolean).join('.')
    return `${path === '' ? where : `${where} ${path}`}: ${message ?? 'is not valid'}`
  })
  return new DroverError('badRequest', { reason: reasons.join('; ') })
}

function isIdentifierIssue({ params }: Issue): boolean {
  const { code } = (params.params ?? {}) as { code?: unknown }
  return code === 'badIdentifier'
}

function valueAt(source: unknown, path: string): unknown {
  let value = source
  for (const key of path.split('/').filter(Boolean))
    value = (value as Record<string, unknown> | undefined)?.[key]
  return value
}

function shown(value: unknown): string {
  return JSON.stringify(typeof value === 'string' ? value.slice(0, 200) : value) ?? 'nothing'
}
