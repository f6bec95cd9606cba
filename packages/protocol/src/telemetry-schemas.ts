import { z } from 'zod'
import { limits } from './limits.ts'
import { type QuarantineReason, quarantineReasons } from './quarantine.ts'
import {
  connectionSchema,
  identifierSchema,
  jsonValueSchema,
  metricNameSchema,
  qualitySchema,
  tagSchema,
  timeInputSchema,
  timeSchema,
  valueTypeSchema,
} from './schemas.ts'

/** What REST takes and gives of measurements: points, buckets, latest values, quarantine, the live feed. */

export const pointSchema = z.object({ time: timeSchema, value: jsonValueSchema, quality: qualitySchema })
export type Point = z.infer<typeof pointSchema>

export const aggregateFunctions = ['avg', 'min', 'max', 'sum', 'count', 'first', 'last'] as const
export type AggregateFunction = (typeof aggregateFunctions)[number]

/** One bucket, aligned to the epoch: `time` is its start; the asked functions; how many good and suspect values it holds. */
export const bucketSchema = z.object({
  time: timeSchema,
  avg: z.number().nullable().optional(),
  min: z.number().nullable().optional(),
  max: z.number().nullable().optional(),
  sum: z.number().nullable().optional(),
  count: z.number().optional(),
  first: z.number().nullable().optional(),
  last: z.number().nullable().optional(),
  good: z.number(),
  suspect: z.number(),
})
export type Bucket = z.infer<typeof bucketSchema>

/** Raw points without `every`; buckets with it. */
export const telemetryPageSchema = z.object({
  device: z.string(),
  metric: z.string(),
  unit: z.string().nullable(),
  points: z.array(z.union([pointSchema, bucketSchema])),
  nextCursor: z.string().nullable(),
})
export type TelemetryPage = z.infer<typeof telemetryPageSchema>

export const latestSchema = z.object({
  device: z.string(),
  metrics: z.record(
    z.string(),
    z.object({
      time: timeSchema,
      value: jsonValueSchema,
      quality: qualitySchema,
      type: valueTypeSchema,
      unit: z.string().nullable(),
    }),
  ),
})
export type Latest = z.infer<typeof latestSchema>

/** An interval: a number of seconds, or a number with a unit: `500ms`, `10s`, `5m`, `1h`, `1d`, `1w`. */
export const intervalPattern = /^(\d+)(ms|s|m|h|d|w)?$/

const seriesQueryFields = {
  from: timeInputSchema.optional(),
  to: timeInputSchema.optional(),
  every: z.string().regex(intervalPattern).optional(),
  fn: z.array(z.enum(aggregateFunctions)).min(1).optional(),
  quality: z.enum(['good', 'any']).default('any'),
  maxPoints: z.number().int().min(2).max(limits.bucketsMax).optional(),
}
/** `POST /telemetry/query`: several devices or a tag; `group: "all"` folds all devices into one series a metric. */
export const telemetryQuerySchema = z.strictObject({
  devices: z.array(identifierSchema).max(limits.devicesPerQueryMax).optional(),
  tag: tagSchema.optional(),
  profile: identifierSchema.optional(),
  metrics: z.array(metricNameSchema).min(1).max(limits.metricsPerQueryMax),
  group: z.enum(['device', 'all']).default('device'),
  ...seriesQueryFields,
})
export type TelemetryQuery = z.input<typeof telemetryQuerySchema>
export const telemetryQueryResultSchema = z.object({
  series: z.array(
    z.object({
      /** null when all devices are folded into one. */
      device: z.string().nullable(),
      metric: z.string(),
      unit: z.string().nullable(),
      points: z.array(z.union([pointSchema, bucketSchema])),
    }),
  ),
})
export type TelemetryQueryResult = z.infer<typeof telemetryQueryResultSchema>

/** `POST /telemetry/latest`: the latest values of several devices, a tag or a profile; all metrics unless some are named. */
export const latestQuerySchema = z.strictObject({
  devices: z.array(identifierSchema).max(limits.devicesPerQueryMax).optional(),
  tag: tagSchema.optional(),
  profile: identifierSchema.optional(),
  metrics: z.array(metricNameSchema).min(1).max(limits.metricsPerQueryMax).optional(),
})
export type LatestQuery = z.input<typeof latestQuerySchema>
export const latestResultSchema = z.object({ items: z.array(latestSchema) })
export type LatestResult = z.infer<typeof latestResultSchema>

export const quarantineReasonSchema = z.enum(
  Object.keys(quarantineReasons) as [QuarantineReason, ...QuarantineReason[]],
)
export const quarantineEntrySchema = z.object({
  id: z.string(),
  device: z.string(),
  reason: quarantineReasonSchema,
  /** What the reason means, with the value and the bound it broke. */
  message: z.string(),
  /** The metric that failed, or null when the whole message did. */
  metric: z.string().nullable(),
  receivedAt: timeSchema,
  contentType: z.string(),
  payloadBytes: z.number(),
  /** The first characters of the payload as text, for lists. */
  preview: z.string(),
})
export type QuarantineEntry = z.infer<typeof quarantineEntrySchema>
export const quarantineDetailSchema = quarantineEntrySchema.extend({
  /** The raw payload in base64, cut at `quarantinePayloadBytesMax`. */
  payload: z.string(),
  truncated: z.boolean(),
})
export type QuarantineDetail = z.infer<typeof quarantineDetailSchema>
/** `dropped`: per device, what came past the cap and was only counted. */
export const quarantinePageSchema = z.object({
  items: z.array(quarantineEntrySchema),
  nextCursor: z.string().nullable(),
  dropped: z.number(),
})
export type QuarantinePage = z.infer<typeof quarantinePageSchema>

/** One event of `GET /live` (SSE); its `id` is the cursor to resume from. */
export const liveEventSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('points'),
    device: z.string(),
    points: z.array(
      z.object({ metric: z.string(), time: timeSchema, value: jsonValueSchema, quality: qualitySchema }),
    ),
  }),
  z.object({ type: z.literal('connection'), device: z.string(), connection: connectionSchema }),
  z.object({
    type: z.literal('quarantine'),
    device: z.string(),
    reason: quarantineReasonSchema,
    metric: z.string().nullable(),
    count: z.number(),
  }),
  /** Events were left out because the listener was too slow, or its cursor too old: read the store. */
  z.object({ type: z.literal('gap') }),
])
export type LiveEvent = z.infer<typeof liveEventSchema>
