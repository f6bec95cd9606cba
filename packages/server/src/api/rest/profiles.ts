import { pageSchema, profileInputSchema, profilePatchSchema, profileSchema } from '@drover/protocol'
import { createProfile } from '../../profiles/create.ts'
import { deleteProfile } from '../../profiles/delete.ts'
import { getProfile } from '../../profiles/get.ts'
import { listProfiles } from '../../profiles/list.ts'
import { updateProfile } from '../../profiles/update.ts'
import type { ApiContext } from '../context.ts'
import type { Api } from '../fastify.ts'
import { answers, idParams, noContent, pageQuery } from './schemas.ts'

const tags = ['profiles']

export function profileRoutes(api: Api, context: ApiContext): void {
  api.get(
    '/profiles',
    {
      schema: {
        tags,
        summary: 'List profiles in the order of their ids',
        querystring: pageQuery,
        response: answers({ 200: pageSchema(profileSchema) }),
      },
    },
    (request) => listProfiles(context.registry, request.actor, request.query),
  )
  api.post(
    '/profiles',
    {
      schema: {
        tags,
        summary: 'Create a profile',
        body: profileInputSchema,
        response: answers({ 201: profileSchema }),
      },
    },
    async (request, reply) => reply.code(201).send(await createProfile(context, request.actor, request.body)),
  )
  api.get(
    '/profiles/:id',
    {
      schema: { tags, summary: 'Get a profile', params: idParams, response: answers({ 200: profileSchema }) },
    },
    (request) => getProfile(context.registry, request.actor, request.params.id),
  )
  api.patch(
    '/profiles/:id',
    {
      schema: {
        tags,
        summary: 'Change a profile; what is not named stays, `metrics` is replaced as a whole',
        params: idParams,
        body: profilePatchSchema,
        response: answers({ 200: profileSchema }),
      },
    },
    (request) => updateProfile(context, request.actor, request.params.id, request.body),
  )
  api.delete(
    '/profiles/:id',
    {
      schema: {
        tags,
        summary: 'Delete a profile that no device has',
        params: idParams,
        response: answers({ 204: noContent }),
      },
    },
    async (request, reply) => {
      await deleteProfile(context, request.actor, request.params.id)
      return reply.code(204).send(null)
    },
  )
}
