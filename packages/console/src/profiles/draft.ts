import type { Metric, Profile, ValueType } from '@drover/protocol'

/** A metric as the form holds it: what is typed, not yet what it means. */
export interface MetricDraft {
  /** Stays while the name is typed. */
  readonly key: number
  readonly name: string
  readonly type: ValueType
  readonly unit: string
  readonly min: string
  readonly max: string
  readonly rate: string
}

export interface ProfileDraft {
  readonly id: string
  readonly description: string
  readonly metrics: readonly MetricDraft[]
  readonly unknownMetrics: 'accept' | 'quarantine'
  readonly oldestTime: string
  readonly aheadSecondsMax: string
  readonly intervalSeconds: string
}

export const newProfileDraft: ProfileDraft = {
  id: '',
  description: '',
  metrics: [],
  unknownMetrics: 'accept',
  oldestTime: '2000-01-01',
  aheadSecondsMax: '300',
  intervalSeconds: '',
}

let lastKey = 0
export function newMetricDraft(): MetricDraft {
  lastKey += 1
  return { key: lastKey, name: '', type: 'number', unit: '', min: '', max: '', rate: '' }
}

export function draftOf(profile: Profile): ProfileDraft {
  return {
    id: profile.id,
    description: profile.description,
    metrics: Object.entries(profile.metrics).map(([name, metric]) => ({
      ...newMetricDraft(),
      name,
      type: metric.type,
      unit: metric.unit ?? '',
      min: typed(metric.min),
      max: typed(metric.max),
      rate: typed(metric.ratePerSecondMax),
    })),
    unknownMetrics: profile.unknownMetrics,
    oldestTime: profile.oldestTime.slice(0, 10),
    aheadSecondsMax: typed(profile.aheadSecondsMax),
    intervalSeconds: typed(profile.intervalSeconds),
  }
}

function typed(value: number | null | undefined): string {
  return value === null || value === undefined ? '' : String(value)
}

/** What is wrong with a metric, by field; nothing when all is well. */
export type MetricErrors = Partial<Record<'name' | 'min' | 'max' | 'rate', string>>

export function metricErrors(metric: MetricDraft, all: readonly MetricDraft[]): MetricErrors {
  const errors: MetricErrors = {}
  const name = metric.name.trim()
  if (name === '') errors.name = 'A name is missing'
  else if (all.some((other) => other !== metric && other.name.trim() === name)) errors.name = 'Named twice'
  if (!isNumeric(metric.type)) return errors
  for (const field of ['min', 'max', 'rate'] as const)
    if (Number.isNaN(Number(metric[field]))) errors[field] = 'Not a number'
  if (metric.min !== '' && metric.max !== '' && Number(metric.min) > Number(metric.max))
    errors.max = 'Below the smallest'
  if (metric.rate !== '' && Number(metric.rate) <= 0) errors.rate = 'Above 0'
  return errors
}

export function isNumeric(type: ValueType): boolean {
  return type === 'number' || type === 'integer'
}

/** What the API takes: a new profile, or the change of one. */
export interface ProfileFields {
  readonly id: string
  readonly description: string
  readonly metrics: Record<string, Metric>
  readonly unknownMetrics: 'accept' | 'quarantine'
  readonly oldestTime: string
  readonly aheadSecondsMax: number
  readonly intervalSeconds: number | undefined
}

/** `known` keeps what the form does not show, such as a metric's description. */
export function inputOf(draft: ProfileDraft, known?: Profile): ProfileFields {
  const metrics = draft.metrics.map((metric) => {
    const name = metric.name.trim()
    return [name, metricOf(metric, known?.metrics[name])] as const
  })
  return {
    id: draft.id,
    description: draft.description,
    metrics: Object.fromEntries(metrics),
    unknownMetrics: draft.unknownMetrics,
    oldestTime: `${draft.oldestTime}T00:00:00Z`,
    aheadSecondsMax: Number(draft.aheadSecondsMax),
    intervalSeconds: numberOf(draft.intervalSeconds),
  }
}

function metricOf({ type, unit, min, max, rate }: MetricDraft, known: Metric | undefined): Metric {
  const bounds = isNumeric(type)
    ? { min: numberOf(min), max: numberOf(max), ratePerSecondMax: numberOf(rate) }
    : {}
  return { type, unit: unit.trim() || undefined, description: known?.description, ...bounds }
}

function numberOf(text: string): number | undefined {
  return text.trim() === '' ? undefined : Number(text)
}
