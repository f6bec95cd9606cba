import { isAbsolute } from 'node:path'
import { backupInputSchema, backupSchema, DroverError, serverInfoSchema } from '@drover/protocol'
import { record } from '../../access/actor.ts'
import type { ApiContext } from '../context.ts'
import type { Api } from '../fastify.ts'
import { answers } from './schemas.ts'

const tags = ['server']

export function serverRoutes(api: Api, context: ApiContext): void {
  api.get(
    '/server',
    {
      schema: {
        tags,
        summary: 'Where devices and people reach this server',
        response: answers({ 200: serverInfoSchema }),
      },
    },
    async () => context.serverInfo(),
  )
  api.post(
    '/backups',
    {
      schema: {
        tags,
        summary: "Copy everything into a folder of the server's machine, while it runs",
        body: backupInputSchema,
        response: answers({ 201: backupSchema }),
      },
    },
    async (request, reply) => {
      const { directory } = request.body
      if (!isAbsolute(directory))
        throw new DroverError('badRequest', { reason: 'directory has to be an absolute path' })
      const backup = await context.backup(directory)
      const { registry, clock } = context
      await registry.audit.add(record(request.actor, 'backup.create', directory), clock.nowMicros())
      return reply.code(201).send(backup)
    },
  )
}
