import {
  connectionSchema,
  deviceCreatedSchema,
  deviceInputSchema,
  devicePatchSchema,
  deviceSchema,
  pageSchema,
  tokenCreatedSchema,
  tokenSchema,
} from '@drover/protocol'
import { createDevice } from '../../devices/create.ts'
import { deleteDevice } from '../../devices/delete.ts'
import { getConnection, getDevice } from '../../devices/get.ts'
import { issueToken } from '../../devices/issue-token.ts'
import { listDevices } from '../../devices/list.ts'
import { listTokens } from '../../devices/list-tokens.ts'
import { revokeToken } from '../../devices/revoke-token.ts'
import { updateDevice } from '../../devices/update.ts'
import type { ApiContext } from '../context.ts'
import type { Api } from '../fastify.ts'
import { answers, deviceListQuery, idParams, noContent, tokenParams } from './schemas.ts'

const tags = ['devices']

export function deviceRoutes(api: Api, context: ApiContext): void {
  api.get(
    '/devices',
    {
      schema: {
        tags,
        summary: 'List devices in the order of their ids',
        querystring: deviceListQuery,
        response: answers({ 200: pageSchema(deviceSchema) }),
      },
    },
    (request) => listDevices(context, request.actor, request.query),
  )
  api.post(
    '/devices',
    {
      schema: {
        tags,
        summary: 'Create a device; its token is shown this once',
        body: deviceInputSchema,
        response: answers({ 201: deviceCreatedSchema }),
      },
    },
    async (request, reply) => reply.code(201).send(await createDevice(context, request.actor, request.body)),
  )
  oneDeviceRoutes(api, context)
  tokenRoutes(api, context)
}

function oneDeviceRoutes(api: Api, context: ApiContext): void {
  api.get(
    '/devices/:id',
    { schema: { tags, summary: 'Get a device', params: idParams, response: answers({ 200: deviceSchema }) } },
    (request) => getDevice(context, request.actor, request.params.id),
  )
  api.patch(
    '/devices/:id',
    {
      schema: {
        tags,
        summary: 'Change a device; what is not named stays',
        params: idParams,
        body: devicePatchSchema,
        response: answers({ 200: deviceSchema }),
      },
    },
    (request) => updateDevice(context, request.actor, request.params.id, request.body),
  )
  api.delete(
    '/devices/:id',
    {
      schema: {
        tags,
        summary: 'Delete a device with its data; its connections are closed',
        params: idParams,
        response: answers({ 204: noContent }),
      },
    },
    async (request, reply) => {
      await deleteDevice(context, request.actor, request.params.id)
      return reply.code(204).send(null)
    },
  )
  api.get(
    '/devices/:id/connection',
    {
      schema: {
        tags,
        summary: 'Whether a device is online, since when, and why not',
        params: idParams,
        response: answers({ 200: connectionSchema }),
      },
    },
    (request) => getConnection(context, request.actor, request.params.id),
  )
}

function tokenRoutes(api: Api, context: ApiContext): void {
  api.get(
    '/devices/:id/tokens',
    {
      schema: {
        tags,
        summary: 'List the tokens of a device, without their secrets',
        params: idParams,
        response: answers({ 200: pageSchema(tokenSchema) }),
      },
    },
    (request) => listTokens(context, request.actor, request.params.id),
  )
  api.post(
    '/devices/:id/tokens',
    {
      schema: {
        tags,
        summary: 'Issue one more token, which is shown this once',
        params: idParams,
        response: answers({ 201: tokenCreatedSchema }),
      },
    },
    async (request, reply) =>
      reply.code(201).send(await issueToken(context, request.actor, request.params.id)),
  )
  api.delete(
    '/devices/:id/tokens/:keyId',
    {
      schema: {
        tags,
        summary: 'Revoke a token; the connections it opened are closed',
        params: tokenParams,
        response: answers({ 204: noContent }),
      },
    },
    async (request, reply) => {
      await revokeToken(context, request.actor, request.params.id, request.params.keyId)
      return reply.code(204).send(null)
    },
  )
}
