import {
  connectionSchema,
  deviceSchema,
  jsonValueSchema,
  latestSchema,
  liveEventSchema,
  metricSchema,
  profileSchema,
  quarantineEntrySchema,
} from '@drover/protocol'
import swagger from '@fastify/swagger'
import scalar from '@scalar/fastify-api-reference'
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { ApiContext } from '../context.ts'
import { errorSchema } from '../errors.ts'
import type { Api } from '../fastify.ts'
import { withRawBodies } from './raw-bodies.ts'

/** The schemas that the document names, and refers to where they are used. */
function namedSchemas() {
  const schemaRegistry = z.registry<{ id: string }>()
  schemaRegistry.add(errorSchema, { id: 'Error' })
  schemaRegistry.add(deviceSchema, { id: 'Device' })
  schemaRegistry.add(connectionSchema, { id: 'Connection' })
  schemaRegistry.add(profileSchema, { id: 'Profile' })
  schemaRegistry.add(metricSchema, { id: 'Metric' })
  schemaRegistry.add(latestSchema, { id: 'Latest' })
  schemaRegistry.add(quarantineEntrySchema, { id: 'QuarantineEntry' })
  schemaRegistry.add(liveEventSchema, { id: 'LiveEvent' })
  // It refers to itself, which only a named schema can.
  schemaRegistry.add(jsonValueSchema, { id: 'JsonValue' })
  return schemaRegistry
}

const description =
  'Times are RFC 3339 in UTC; milliseconds since 1970 are taken too. Lists answer `{"items":[…],"nextCursor":…}`: ' +
  'pass `nextCursor` as `cursor` until it is null. Errors have one form, and a code that does not change.'

/** In the order in which somebody new needs them. */
const tags = [
  ['devices', 'Create, find, change and delete devices, and their tokens.'],
  ['profiles', 'What kinds of devices there are: their metrics, ranges and times.'],
  ['ingest', 'How devices send over HTTP; over MQTT they publish to `me/telemetry`.'],
  ['telemetry', 'Read what they sent: raw, in buckets, downsampled, latest.'],
  ['quarantine', 'What was not stored, and why.'],
  ['live', 'What happens, as it happens.'],
  ['access', 'Console sessions and the audit log.'],
  ['server', 'The server itself.'],
  ['system', 'What machines ask at the root.'],
] as const

/** Has to be called before the routes are added. */
export async function documentRoutes(api: Api, context: ApiContext): Promise<void> {
  const schemaRegistry = namedSchemas()
  const nameSchemas = createJsonSchemaTransformObject({ schemaRegistry })
  await api.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Drover', version: context.serverInfo().version, description },
      tags: tags.map(([name, description]) => ({ name, description })),
      security: [{ administratorKey: [] }, { consoleSession: [] }],
      components: {
        securitySchemes: {
          administratorKey: { type: 'http', scheme: 'bearer', description: 'The key in `DATA/admin-key`.' },
          consoleSession: {
            type: 'apiKey',
            in: 'cookie',
            name: `drover-${context.registry.instance}`,
            description: 'Given by `POST /api/v1/session`.',
          },
          deviceToken: { type: 'http', scheme: 'bearer', description: '`dt_<keyId>_<secret>`' },
        },
      },
    },
    transform: createJsonSchemaTransform({ schemaRegistry }),
    transformObject: (document) => withRawBodies(nameSchemas(document)),
  })
  api.get('/openapi.json', { schema: { hide: true } }, () => api.swagger())
  await api.register(scalar, {
    routePrefix: '/docs',
    configuration: {
      url: '/openapi.json',
      pageTitle: 'Drover API',
      // Nothing is loaded from, or told to, anybody else.
      withDefaultFonts: false,
      telemetry: false,
      hideClientButton: true,
      agent: { disabled: true },
      mcp: { disabled: true },
      showDeveloperTools: 'never',
    },
  })
}
