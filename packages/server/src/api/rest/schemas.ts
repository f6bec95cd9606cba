import {
  aggregateFunctions,
  deviceStates,
  identifierSchema,
  intervalPattern,
  limits,
  metricNameSchema,
  quarantineReasonSchema,
} from '@drover/protocol'
import { z } from 'zod'
import { errorSchema } from '../errors.ts'

/** Paths name devices by any text: the use case says what is wrong with it. */
export const idParams = z.object({ id: z.string() })
export const tokenParams = z.object({ id: z.string(), keyId: z.string() })

const integer = (max: number) => z.coerce.number().int().min(1).max(max)
/** A query has a repeated key as an array; a list is also separated by commas. */
const list = <T extends z.ZodType<string, string>>(item: T) =>
  z
    .union([z.string(), z.array(z.string())])
    .transform((given) => [...new Set([given].flat().flatMap((text) => text.split(',')))])
    .pipe(z.array(item).min(1))
const time = z.string().min(1).max(64).describe('RFC 3339 with any offset, or milliseconds since 1970.')

export const pageQuery = z.strictObject({
  limit: integer(limits.pageItemsMax).default(limits.pageItemsDefault),
  cursor: z.string().max(1_000).optional().describe('`nextCursor` of the page before.'),
})

export const deviceListQuery = z.strictObject({
  ...pageQuery.shape,
  q: z.string().max(256).optional().describe('Words that the id or the name holds.'),
  profile: identifierSchema.optional(),
  tag: z.string().max(limits.identifierLengthMax).optional(),
  state: z
    .enum([...deviceStates, 'online', 'offline'])
    .optional()
    .describe('`online` and `offline` are of the connection, the others of the device itself.'),
})

export const telemetryReadQuery = z.strictObject({
  metric: metricNameSchema,
  from: time.optional().describe('Included.'),
  to: time.optional().describe('Excluded.'),
  every: z
    .string()
    .regex(intervalPattern, 'must be an interval such as 10s, 5m, 1h, 1d')
    .optional()
    .describe('Width of the buckets, which begin at its multiples since 1970; without it, raw points.'),
  fn: list(z.enum(aggregateFunctions))
    .optional()
    .describe('Separated by commas; avg,min,max,count by default.'),
  quality: z.enum(['good', 'any']).default('any'),
  maxPoints: z.coerce
    .number()
    .int()
    .min(2)
    .max(limits.bucketsMax)
    .optional()
    .describe('Downsamples so that peaks survive; with `every`, widens the buckets to a multiple of it.'),
  limit: integer(limits.pagePointsMax).optional(),
  cursor: z.string().max(1_000).optional(),
  order: z.enum(['asc', 'desc']).default('asc').describe('`desc`: raw points, the newest first.'),
})

export const quarantineListQuery = z.strictObject({
  ...pageQuery.shape,
  device: identifierSchema.optional(),
  reason: quarantineReasonSchema.optional(),
})

export const liveQuery = z.strictObject({
  device: list(identifierSchema).optional(),
  tag: z.string().max(limits.identifierLengthMax).optional(),
  types: list(z.enum(['points', 'connection', 'quarantine', 'gap'])).optional(),
  lastEventId: z.string().max(100).optional().describe('As the header `Last-Event-ID`.'),
})

export const acceptedSchema = z.object({ accepted: z.literal(true) })

/** Answers of a route: those that are named, and the error for all others. */
export function answers<T extends Record<number, z.ZodType>>(successes: T) {
  return { ...successes, default: errorSchema.describe('What went wrong; see the table of errors.') }
}
/** For DELETE: an answer without a body. */
export const noContent = z.null().describe('Done.')
