import type { Metric, Profile } from '@drover/protocol'
import { type TimeWindow, timeWindow } from '../quality/time.ts'
import type { ValueRule } from '../quality/value.ts'

export interface MetricRule extends ValueRule {
  readonly unit: string | null
  readonly ratePerSecondMax: number | undefined
}

/** A profile as processing asks it. */
export interface Rules {
  readonly tenant: number
  readonly profileId: string
  readonly metrics: ReadonlyMap<string, MetricRule>
  readonly acceptsUnknown: boolean
  readonly window: TimeWindow
}

export function rulesOf(tenant: number, profile: Profile): Rules {
  const metrics = Object.entries(profile.metrics).map(([name, metric]) => [name, ruleOf(metric)] as const)
  return {
    tenant,
    profileId: profile.id,
    metrics: new Map(metrics),
    acceptsUnknown: profile.unknownMetrics === 'accept',
    window: timeWindow(profile),
  }
}

function ruleOf({ type, unit, min, max, ratePerSecondMax }: Metric): MetricRule {
  return {
    type,
    unit: unit ?? null,
    min: min ?? Number.NEGATIVE_INFINITY,
    max: max ?? Number.POSITIVE_INFINITY,
    ratePerSecondMax,
  }
}

/** The rules of the profiles that were met, each made once as long as its profile does not change. */
export class RulesCache {
  readonly #made = new Map<string, { readonly updatedAt: string; readonly rules: Rules }>()

  get(tenant: number, profile: Profile): Rules {
    const key = `${tenant}/${profile.id}`
    const made = this.#made.get(key)
    if (made?.updatedAt === profile.updatedAt) return made.rules
    const rules = rulesOf(tenant, profile)
    this.#made.set(key, { updatedAt: profile.updatedAt, rules })
    return rules
  }

  forget(tenant: number, profileId: string): void {
    this.#made.delete(`${tenant}/${profileId}`)
  }
}
