/** Upper bounds of the buckets of an append's latency, in ms; a last bucket holds what took longer. */
export const latencyBoundsMs = [0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000] as const

/** Counts by bucket (not cumulative), as they cross threads. */
export interface LatencyHistogram {
  readonly counts: number[]
  sumMs: number
}

export function emptyHistogram(): LatencyHistogram {
  return { counts: latencyBoundsMs.map(() => 0).concat(0), sumMs: 0 }
}

export function observe(histogram: LatencyHistogram, ms: number): void {
  const found = latencyBoundsMs.findIndex((bound) => ms <= bound)
  const bucket = found === -1 ? latencyBoundsMs.length : found
  histogram.counts[bucket] = histogram.counts[bucket]! + 1
  histogram.sumMs += ms
}

export function addHistograms(a: LatencyHistogram, b: LatencyHistogram): LatencyHistogram {
  return { counts: a.counts.map((count, bucket) => count + b.counts[bucket]!), sumMs: a.sumMs + b.sumMs }
}
