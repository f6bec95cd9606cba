import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Api } from './fastify.ts'

export interface MetricSample {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

/** A metric that is read when somebody asks for it. */
export interface MetricSource {
  /** As Prometheus wants it: `drover_queue_bytes`; a counter's ends in `_total`. */
  readonly name: string
  readonly help: string
  readonly type: 'gauge' | 'counter'
  readonly labelNames?: readonly string[]
  collect(): number | readonly MetricSample[] | Promise<number | readonly MetricSample[]>
}

/** The process's own metrics, and those of `sources`. */
export function createMetrics(sources: readonly MetricSource[]): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  for (const source of sources) addMetric(registry, source)
  return registry
}

function addMetric(registry: Registry, source: MetricSource): void {
  const { name, help, type, labelNames = [] } = source
  const samples = async (): Promise<readonly MetricSample[]> => {
    const found = await source.collect()
    return typeof found === 'number' ? [{ value: found }] : found
  }
  const options = { name, help, labelNames, registers: [registry] }
  if (type === 'gauge')
    new Gauge({
      ...options,
      async collect() {
        for (const { labels = {}, value } of await samples()) this.set(labels, value)
      },
    })
  else
    new Counter({
      ...options,
      async collect() {
        const found = await samples()
        this.reset()
        for (const { labels = {}, value } of found) this.inc(labels, value)
      },
    })
}

const histogramName = 'drover_http_request_duration_seconds'

/** Counts the requests by route, never by path: a path may hold a token, and there is no end of them. */
export function measureRequests(api: Api, registry: Registry): void {
  const durations =
    (registry.getSingleMetric(histogramName) as Histogram | undefined) ??
    new Histogram({
      name: histogramName,
      help: 'Seconds from a request to its answer, by method, route and status.',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10],
      registers: [registry],
    })
  api.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none'
    const labels = { method: request.method, route, status: String(reply.statusCode) }
    durations.observe(labels, reply.elapsedTime / 1_000)
  })
}
