import {
  latestQuerySchema,
  latestResultSchema,
  latestSchema,
  quarantineDetailSchema,
  quarantinePageSchema,
  telemetryPageSchema,
  telemetryQueryResultSchema,
  telemetryQuerySchema,
} from '@drover/protocol'
import type { FastifyReply } from 'fastify'
import { latestOf, latestOfMany } from '../../telemetry/latest.ts'
import { getQuarantined, listQuarantine } from '../../telemetry/quarantine.ts'
import { queryTelemetry } from '../../telemetry/query.ts'
import { readTelemetry } from '../../telemetry/read.ts'
import type { ApiContext } from '../context.ts'
import type { Api } from '../fastify.ts'
import { answers, idParams, quarantineListQuery, telemetryReadQuery } from './schemas.ts'
import { latestJson, latestsJson, pageJson, seriesJson } from './telemetry-json.ts'

const tags = ['telemetry']

export function telemetryRoutes(api: Api, context: ApiContext): void {
  api.get(
    '/devices/:id/latest',
    {
      schema: {
        tags,
        summary: 'The newest value of each metric of a device, by the time of the point',
        params: idParams,
        response: answers({ 200: latestSchema }),
      },
    },
    async (request, reply) =>
      sendJson(reply, latestJson(await latestOf(context, request.actor, request.params.id))),
  )
  api.get(
    '/devices/:id/telemetry',
    {
      schema: {
        tags,
        summary: 'One metric of a device: raw points, buckets with `every`, or downsampled with `maxPoints`',
        params: idParams,
        querystring: telemetryReadQuery,
        response: answers({ 200: telemetryPageSchema }),
      },
    },
    async (request, reply) => {
      const answer = await readTelemetry(context, request.actor, request.params.id, request.query)
      return sendJson(reply, pageJson(answer))
    },
  )
  api.post(
    '/telemetry/query',
    {
      schema: {
        tags,
        summary: 'Several metrics of several devices, a tag or a profile, in one answer',
        body: telemetryQuerySchema,
        response: answers({ 200: telemetryQueryResultSchema }),
      },
    },
    async (request, reply) =>
      sendJson(reply, seriesJson(await queryTelemetry(context, request.actor, request.body))),
  )
  api.post(
    '/telemetry/latest',
    {
      schema: {
        tags,
        summary: 'The newest values of several devices, a tag or a profile',
        body: latestQuerySchema,
        response: answers({ 200: latestResultSchema }),
      },
    },
    async (request, reply) =>
      sendJson(reply, latestsJson(await latestOfMany(context, request.actor, request.body))),
  )
  quarantineRoutes(api, context)
}

function quarantineRoutes(api: Api, context: ApiContext): void {
  const tags = ['quarantine']
  api.get(
    '/quarantine',
    {
      schema: {
        tags,
        summary: 'What was not stored and why, the newest first',
        querystring: quarantineListQuery,
        response: answers({ 200: quarantinePageSchema }),
      },
    },
    (request) => listQuarantine(context, request.actor, request.query),
  )
  api.get(
    '/quarantine/:id',
    {
      schema: {
        tags,
        summary: 'One entry with its raw payload',
        params: idParams,
        response: answers({ 200: quarantineDetailSchema }),
      },
    },
    (request) => getQuarantined(context, request.actor, request.params.id),
  )
}

/** Bytes are sent as they are: they are in the form that the schema says. */
function sendJson(reply: FastifyReply, json: Buffer) {
  return reply.type('application/json; charset=utf-8').send(json as never)
}
