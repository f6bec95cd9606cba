import { type SampleBatch, type SamplePoint, sampleSeries } from './sample.ts'
import { seeded } from './store.contract.model.ts'

export const faultSeries = 8

/** So small that every few batches fill a table and every few tables make a merge. */
export const faultOptions = {
  hotPointsMax: 150,
  latePointsMax: 40,
  segmentPointsMax: 400,
  threads: 1,
} as const

/** Batch number n, the same every time: newer points, late ones, repeats; texts for every fourth series. */
export function faultBatch(number: number): SampleBatch {
  const random = seeded(number)
  const points = Array.from({ length: 60 }, (_, at): SamplePoint => {
    const id = 1 + random(faultSeries)
    const late = random(5) === 0
    const time = late ? random(100 * number) : 100 * number + random(100)
    return [id, time, id % 4 === 0 ? `text ${random(1000)}` : random(1000) / 10, 100 * number + at]
  })
  return number === 1 ? { series: sampleSeries(faultSeries), points } : { points }
}
