import { z } from 'zod'
import { isIdentifier } from './identifiers.ts'
import { limits } from './limits.ts'

/**
 * What REST takes and gives, from which validation, types and the OpenAPI document come. Times are RFC 3339 in UTC
 * with microseconds where they have them; as input, milliseconds since 1970 are taken too.
 */

export const identifierSchema = z.string().refine(isIdentifier, {
  error: 'must be 1 to 128 of letters, digits and . _ : - , start with a letter or digit, and not be `me`',
  params: { code: 'badIdentifier' },
})

/** RFC 3339 in UTC, to the microsecond at most: `2026-11-22T17:30:00.000001Z`. */
export const timeSchema = z.string().meta({ format: 'date-time' })

/** RFC 3339 (any offset), or milliseconds since 1970 as a number or digits. */
export const timeInputSchema = z.union([z.string().min(1).max(64), z.number()])

export const valueTypes = ['number', 'integer', 'boolean', 'string', 'json', 'location'] as const
export const valueTypeSchema = z.enum(valueTypes)
export type ValueType = z.infer<typeof valueTypeSchema>

export const qualities = ['good', 'suspect'] as const
export const qualitySchema = z.enum(qualities)
/** `bad` values are quarantined, so no stored point has that quality. */
export type Quality = z.infer<typeof qualitySchema>

export const jsonValueSchema = z.json()
export type JsonValue = z.infer<typeof jsonValueSchema>

export const locationSchema = z.strictObject({
  latitude: z.number().min(-90).max(90),
  longitude: z.number().min(-180).max(180),
  /** Metres above the WGS 84 ellipsoid. */
  elevation: z.number().optional(),
})
export type Location = z.infer<typeof locationSchema>

export const metricNameSchema = z
  .string()
  .min(1)
  .max(limits.metricNameBytesMax)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
  .refine((name) => !/[\u0000-\u001f\u007f]/.test(name), 'must not hold control characters')

export const metricSchema = z.strictObject({
  type: valueTypeSchema.default('number'),
  /** UCUM or SenML unit, such as `Cel`, `%RH`, `hPa`. */
  unit: z.string().max(32).optional(),
  description: z.string().max(1000).optional(),
  /** The physical range, both ends included: a value outside it is bad and goes to quarantine. */
  min: z.number().optional(),
  max: z.number().optional(),
  /** The largest credible change, in the metric's unit a second: a value that changed faster is suspect. */
  ratePerSecondMax: z.number().positive().optional(),
})
export type Metric = z.infer<typeof metricSchema>

const profileFields = {
  description: z.string().max(1000).default(''),
  metrics: z
    .record(metricNameSchema, metricSchema)
    .refine((metrics) => Object.keys(metrics).length <= limits.metricsPerDeviceMax, 'has too many metrics')
    .default({}),
  /** What happens to a metric that the profile does not list. */
  unknownMetrics: z.enum(['accept', 'quarantine']).default('accept'),
  /** The oldest time that a value may have. */
  oldestTime: timeInputSchema.default('2000-01-01T00:00:00Z'),
  /** How far ahead of the server's clock the time of a value may be, in seconds. */
  aheadSecondsMax: z.number().min(0).max(315_360_000).default(300),
  /** How often a device of this profile is expected to send, in seconds. */
  intervalSeconds: z.number().positive().optional(),
}
export const profileInputSchema = z.strictObject({ id: identifierSchema, ...profileFields })
export const profilePatchSchema = z
  .strictObject({
    description: profileFields.description.unwrap(),
    metrics: profileFields.metrics.unwrap(),
    unknownMetrics: profileFields.unknownMetrics.unwrap(),
    oldestTime: profileFields.oldestTime.unwrap(),
    aheadSecondsMax: profileFields.aheadSecondsMax.unwrap(),
    intervalSeconds: profileFields.intervalSeconds.unwrap().nullable(),
  })
  .partial()
export const profileSchema = z.object({
  id: identifierSchema,
  description: z.string(),
  metrics: z.record(z.string(), metricSchema),
  unknownMetrics: z.enum(['accept', 'quarantine']),
  oldestTime: timeSchema,
  aheadSecondsMax: z.number(),
  intervalSeconds: z.number().nullable(),
  createdAt: timeSchema,
  updatedAt: timeSchema,
})
export type ProfileInput = z.input<typeof profileInputSchema>
export type ProfilePatch = z.infer<typeof profilePatchSchema>
export type Profile = z.infer<typeof profileSchema>

export const deviceStates = ['active', 'suspended'] as const
/** A suspended device keeps its data and tokens, but cannot connect or send. */
export const deviceStateSchema = z.enum(deviceStates)
export type DeviceState = z.infer<typeof deviceStateSchema>

export const tagSchema = z.string().min(1).max(limits.identifierLengthMax)
const deviceFields = {
  profile: identifierSchema.default('default'),
  name: z.string().max(256).default(''),
  tags: z.array(tagSchema).max(limits.tagsPerDeviceMax).default([]),
  location: locationSchema.nullable().default(null),
  /** The id of the gateway device behind which this one sits. */
  parent: identifierSchema.nullable().default(null),
  state: deviceStateSchema.default('active'),
}
export const deviceInputSchema = z.strictObject({ id: identifierSchema, ...deviceFields })
export const devicePatchSchema = z
  .strictObject({
    profile: deviceFields.profile.unwrap(),
    name: deviceFields.name.unwrap(),
    tags: deviceFields.tags.unwrap(),
    location: deviceFields.location.unwrap(),
    parent: deviceFields.parent.unwrap(),
    state: deviceFields.state.unwrap(),
  })
  .partial()
export const connectionSchema = z.object({
  online: z.boolean(),
  /** Since when it is online, or offline; null if it never connected. */
  since: timeSchema.nullable(),
  /** When its last message or sign of life arrived. */
  lastSeen: timeSchema.nullable(),
  /** Why it is offline, such as `disconnected`, `keepAliveTimeout`, `tokenRevoked`, `serverStopped`; null while online. */
  reason: z.string().nullable(),
  /** Sessions that are open now. */
  sessions: z.number(),
})
export type Connection = z.infer<typeof connectionSchema>
export const deviceSchema = z.object({
  id: identifierSchema,
  /** A number that is never used for another device, even one created again under the same id. */
  uid: z.number(),
  profile: identifierSchema,
  name: z.string(),
  tags: z.array(z.string()),
  location: locationSchema.nullable(),
  parent: identifierSchema.nullable(),
  state: deviceStateSchema,
  createdAt: timeSchema,
  updatedAt: timeSchema,
  connection: connectionSchema,
})
export type DeviceInput = z.input<typeof deviceInputSchema>
export type DevicePatch = z.infer<typeof devicePatchSchema>
export type Device = z.infer<typeof deviceSchema>

export const deviceCreatedSchema = z.object({
  device: deviceSchema,
  /** `dt_<keyId>_<secret>`; shown this once and stored as a hash. */
  token: z.string(),
})
export type DeviceCreated = z.infer<typeof deviceCreatedSchema>

export const tokenSchema = z.object({
  keyId: z.string(),
  createdAt: timeSchema,
  lastUsedAt: timeSchema.nullable(),
})
export type Token = z.infer<typeof tokenSchema>
export const tokenCreatedSchema = z.object({ keyId: z.string(), token: z.string(), createdAt: timeSchema })
export type TokenCreated = z.infer<typeof tokenCreatedSchema>

export const sessionInputSchema = z.strictObject({ key: z.string().min(1).max(512) })
/** The console session that the cookie opens. */
export const sessionSchema = z.object({ expiresAt: timeSchema })
export type Session = z.infer<typeof sessionSchema>

/** `GET /server`: where devices and people reach this server, for instructions that can be pasted as they are. */
export const serverInfoSchema = z.object({
  version: z.string(),
  /** The best name for other machines: the public name, or else the host name; the certificate is made for it. */
  host: z.string(),
  /** The ports of the listeners that are on. */
  ports: z.object({
    http: z.number().nullable(),
    https: z.number().nullable(),
    mqtt: z.number().nullable(),
    mqtts: z.number().nullable(),
  }),
})
export type ServerInfo = z.infer<typeof serverInfoSchema>

/** One row of the audit log. */
export const auditEntrySchema = z.object({
  id: z.string(),
  time: timeSchema,
  /** Who: `admin-key`, `session:…`, `device:<id>`, `system`, or `unknown`. */
  actor: z.string(),
  /** The address that the request came from, if one is known. */
  address: z.string().nullable(),
  /** What: such as `device.create`, `token.revoke`, `access.refused`. */
  action: z.string(),
  /** On what, such as the device's id. */
  subject: z.string().nullable(),
  details: z.record(z.string(), jsonValueSchema),
})
export type AuditEntry = z.infer<typeof auditEntrySchema>

/** `row`: the first row of data (below the header of a CSV) is 1. */
export const importResultSchema = z.object({
  created: z.number(),
  /** The tokens of the created devices, this once, in the order of the rows. */
  devices: z.array(z.object({ id: z.string(), token: z.string() })),
  failed: z.array(
    z.object({ row: z.number(), id: z.string().nullable(), code: z.string(), message: z.string() }),
  ),
})
export type ImportResult = z.infer<typeof importResultSchema>

/** `POST /backups`: an absolute path on the server's machine, of an empty folder or one to be made. */
export const backupInputSchema = z.strictObject({ directory: z.string().min(1).max(4096) })
/** The answer, once the copy is complete. */
export const backupSchema = z.object({ directory: z.string(), bytes: z.number(), createdAt: timeSchema })
export type Backup = z.infer<typeof backupSchema>

export function pageSchema<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), nextCursor: z.string().nullable() })
}
export interface Page<T> {
  readonly items: T[]
  readonly nextCursor: string | null
}
