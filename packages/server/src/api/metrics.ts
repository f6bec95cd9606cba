import { eventLoopUtilization } from 'node:perf_hooks'
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

const hourMs = 3_600_000
const eventLoopDelays = ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99']

/** The process's own metrics, and those of `sources`. */
export function createMetrics(sources: readonly MetricSource[]): Registry {
  const registry = new Registry()
  addDefaultMetrics(registry)
  for (const source of sources) addMetric(registry, source)
  return registry
}

/**
 * prom-client samples the delay of the event loop by a timer, which wakes an idle process a hundred times a second. That
 * timer cannot be left out, only be made slow, and then says nothing: how busy the loop is costs nothing to know.
 */
function addDefaultMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: hourMs })
  for (const statistic of eventLoopDelays)
    registry.removeSingleMetric(`nodejs_eventloop_lag_${statistic}_seconds`)
  addMetric(registry, {
    name: 'drover_main_thread_busy_seconds_total',
    help: 'Seconds in which the event loop of the main thread was not waiting.',
    type: 'counter',
    collect: () => eventLoopUtilization().active / 1_000,
  })
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
