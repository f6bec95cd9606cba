import { importResultSchema, limits } from '@drover/protocol'
import { importDevices } from '../../imports/devices.ts'
import { csvRows, jsonRows } from '../../imports/rows.ts'
import type { ApiContext } from '../context.ts'
import { unsupported } from '../errors.ts'
import type { Api } from '../fastify.ts'
import { answers } from './schemas.ts'

const readers = {
  'text/csv': csvRows,
  'application/jsonl': jsonRows,
  'application/x-ndjson': jsonRows,
}
const contentTypes = Object.keys(readers)

export async function importRoutes(api: Api, context: ApiContext): Promise<void> {
  api.removeAllContentTypeParsers()
  api.addContentTypeParser(contentTypes, { parseAs: 'buffer' }, (_, body, done) => done(null, body))
  api.addContentTypeParser('*', (request, _, done) => done(unsupported(request, contentTypes.join(', '))))
  api.post(
    '/imports/devices',
    {
      bodyLimit: limits.importBytesMax,
      schema: {
        tags: ['devices'],
        summary: 'Create thousands of devices at once, from CSV with a header or JSON lines',
        description:
          'Columns: id, profile, name, tags (separated by `;`), latitude, longitude, elevation, parent, state. ' +
          'JSON lines have the body of `POST /devices` each. A bad row is reported and leaves the others alone.',
        consumes: contentTypes,
        response: answers({ 200: importResultSchema }),
      },
    },
    (request) => {
      const type = request.headers['content-type']!.split(';', 1)[0]!.trim().toLowerCase()
      const rows = readers[type as keyof typeof readers](request.body as Buffer)
      return importDevices(context, request.actor, rows)
    },
  )
}
