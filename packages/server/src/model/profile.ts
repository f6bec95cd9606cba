import { DroverError, type Metric, type Profile, type ProfilePatch } from '@drover/protocol'
import { formatTimeMicros, requireTimeMicros } from './time.ts'

/** What a profile says, without its name and dates. */
export type ProfileDefinition = Omit<Profile, 'id' | 'createdAt' | 'updatedAt'>

/** The profile's definition with a patch on it; throws `badRequest` when the whole is not sound. */
export function patchDefinition(definition: ProfileDefinition, patch: ProfilePatch): ProfileDefinition {
  const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined))
  return checkDefinition({ ...definition, ...given })
}

/** The definition with its time in one form; throws `badRequest` with the metric's name. */
export function checkDefinition(
  definition: Omit<ProfileDefinition, 'oldestTime' | 'intervalSeconds'> & {
    readonly oldestTime: string | number
    readonly intervalSeconds?: number | null
  },
): ProfileDefinition {
  const { description, metrics, unknownMetrics, aheadSecondsMax } = definition
  for (const [name, metric] of Object.entries(metrics)) checkMetric(name, metric)
  const oldestTime = formatTimeMicros(Math.max(0, requireTimeMicros('oldestTime', definition.oldestTime)))
  const intervalSeconds = definition.intervalSeconds ?? null
  return { description, metrics, unknownMetrics, oldestTime, aheadSecondsMax, intervalSeconds }
}

function checkMetric(name: string, { type, min, max, ratePerSecondMax }: Metric): void {
  const bounded = min !== undefined || max !== undefined || ratePerSecondMax !== undefined
  const numeric = type === 'number' || type === 'integer'
  if (bounded && !numeric)
    throw new DroverError('badRequest', {
      reason: `metrics.${name}: min, max and ratePerSecondMax are for numbers, not for ${type}`,
    })
  if (min !== undefined && max !== undefined && min > max)
    throw new DroverError('badRequest', { reason: `metrics.${name}: min is above max` })
}
