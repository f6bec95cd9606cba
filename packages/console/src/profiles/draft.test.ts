import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Profile } from '@drover/protocol'
import { draftOf, inputOf, metricErrors, newMetricDraft } from './draft.ts'

const profile: Profile = {
  id: 'thermometer',
  description: 'Indoors',
  metrics: {
    temperature: {
      type: 'number',
      unit: 'Cel',
      description: 'air',
      min: -40,
      max: 85,
      ratePerSecondMax: 0.5,
    },
    open: { type: 'boolean' },
  },
  unknownMetrics: 'quarantine',
  oldestTime: '2000-01-01T00:00:00Z',
  aheadSecondsMax: 300,
  intervalSeconds: 60,
  createdAt: '2026-01-01T00:00:00Z',
  updatedAt: '2026-01-01T00:00:00Z',
}

describe('the profile form', () => {
  it('gives back what it was given', () => {
    const { createdAt: _, updatedAt: __, ...fields } = profile
    assert.deepEqual(JSON.parse(JSON.stringify(inputOf(draftOf(profile), profile))), fields)
  })

  it('leaves out bounds of what is not a number', () => {
    const metric = { ...newMetricDraft(), name: 'state', type: 'string', min: '1' } as const
    const input = inputOf({ ...draftOf(profile), metrics: [metric] })
    assert.deepEqual(JSON.parse(JSON.stringify(input.metrics)), { state: { type: 'string' } })
  })

  it('says what is wrong with a metric', () => {
    const metric = { ...newMetricDraft(), name: 'a', min: '5', max: '3', rate: '-1' }
    const twice = { ...newMetricDraft(), name: 'a' }
    assert.deepEqual(metricErrors(metric, [metric, twice]), {
      name: 'Named twice',
      max: 'Below the smallest',
      rate: 'Above 0',
    })
    assert.deepEqual(metricErrors({ ...metric, min: 'x' }, []), {
      min: 'Not a number',
      rate: 'Above 0',
    })
    assert.deepEqual(metricErrors({ ...twice, min: '-273.15' }, []), {})
  })
})
