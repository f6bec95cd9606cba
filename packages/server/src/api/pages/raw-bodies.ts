/** What is touched here of an OpenAPI document. */
interface OpenApiDocument {
  readonly paths?: Record<string, Record<string, { requestBody?: object; responses: Record<string, object> }>>
}

const telemetry = {
  required: true,
  content: {
    'application/json': {
      schema: { anyOf: [{ type: 'object' }, { type: 'array', items: { type: 'object' } }] },
      examples: {
        now: { value: { temperature: 21.4 } },
        withTime: { value: { ts: 1732266000000, values: { temperature: 21.4, door: 'open' } } },
        several: { value: [{ ts: 1732266000000, values: { temperature: 21.4 } }] },
      },
    },
    'application/senml+json': { schema: { type: 'array', items: { type: 'object' } } },
    'application/senml+cbor': { schema: { type: 'string', format: 'binary' } },
    'application/cbor': { schema: { type: 'string', format: 'binary' } },
    'application/octet-stream': { schema: { type: 'string', format: 'binary' } },
  },
}

const devices = {
  required: true,
  content: {
    'text/csv': { schema: { type: 'string' }, example: 'id,name,tags\na-1,North hall,roof;old\n' },
    'application/jsonl': { schema: { type: 'string' }, example: '{"id":"a-1","tags":["roof","old"]}\n' },
    'application/x-ndjson': { schema: { type: 'string' } },
  },
}

/** Adds the bodies and streams that no schema checks, since they are not read as JSON. */
export function withRawBodies<T>(document: T): T {
  const { paths = {} } = document as OpenApiDocument
  for (const path of ['/api/v1/ingest/telemetry', '/api/v1/{token}/telemetry'])
    paths[path]!.post!.requestBody = telemetry
  paths['/api/v1/imports/devices']!.post!.requestBody = devices
  paths['/api/v1/live']!.get!.responses = {
    200: {
      description: 'Events, without an end.',
      content: { 'text/event-stream': { schema: { $ref: '#/components/schemas/LiveEvent' } } },
    },
  }
  return document
}
