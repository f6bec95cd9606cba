import type { ValueType } from '@drover/protocol'
import { RateOfChange } from '../quality/rate.ts'
import { type Refusal, refusal } from '../quality/refusal.ts'
import { isNumeric, unlimited, type ValueRule } from '../quality/value.ts'
import { quality } from '../store/points.ts'
import type { LatestValue } from '../store/store.ts'
import type { MetricRule, Rules } from './rules.ts'

/** A metric of one device: its series, and how its values are judged. */
export class MetricState {
  readonly name: string
  readonly seriesId: number
  /** Of the series; it never changes. */
  readonly type: ValueType
  readonly isNumeric: boolean
  rule: ValueRule
  rate: RateOfChange | undefined
  /** Why no value of it is accepted. */
  refused: Refusal | undefined

  constructor(name: string, seriesId: number, type: ValueType, rules: Rules) {
    this.name = name
    this.seriesId = seriesId
    this.type = type
    this.isNumeric = isNumeric(type)
    this.rule = unlimited(type)
    this.apply(rules)
  }

  /** What was judged so far stays: a changed profile does not make the next value the first. */
  apply(rules: Rules): void {
    const listed = rules.metrics.get(this.name)
    this.rule = listed ?? unlimited(this.type)
    this.refused = refusedBy(listed, rules, this.type)
    this.#applyRate(listed?.ratePerSecondMax)
  }

  seed(latest: LatestValue | undefined): void {
    if (typeof latest?.value === 'number' && latest.quality === quality.good)
      this.rate?.seed(latest.value, latest.timeMicros)
  }

  #applyRate(perSecondMax: number | undefined): void {
    if (perSecondMax === undefined || !this.isNumeric) this.rate = undefined
    else if (this.rate) this.rate.perSecondMax = perSecondMax
    else this.rate = new RateOfChange(perSecondMax)
  }
}

function refusedBy(listed: MetricRule | undefined, rules: Rules, type: ValueType): Refusal | undefined {
  if (!listed) return rules.acceptsUnknown ? undefined : unknownMetric(rules)
  if (listed.type === type || (isNumeric(listed.type) && isNumeric(type))) return undefined
  return refusal(
    'typeMismatch',
    `the profile ${rules.profileId} says ${listed.type}, but what is stored of this metric is of type ${type}; use another name`,
  )
}

export function unknownMetric(rules: Rules): Refusal {
  return refusal('metricUnknown', `the profile ${rules.profileId} does not list this metric`)
}
