import type { MetricSample, MetricSource } from './api/metrics.ts'
import type { Gateways } from './gateway/gateways.ts'
import type { LocalGateway } from './gateway/local-gateway.ts'
import { type GatewayMetrics, sumMetrics } from './gateway/metrics.ts'
import type { LiveFeed } from './live/feed.ts'
import type { ProcessingMetrics } from './processing/metrics.ts'
import { consumerName } from './processing/run.ts'
import type { Queue, QueueStatus } from './queue/queue.ts'
import type { StoreStatus } from './store/store.ts'
import type { Storage } from './threads/storage-host.ts'

export interface MeasuredParts {
  readonly queue: Pick<Queue, 'status' | 'capabilities'>
  readonly storage: Pick<Storage, 'metrics'>
  readonly gateways: Pick<Gateways, 'metrics'>
  readonly local: LocalGateway
  readonly live: Pick<LiveFeed, 'listeners'>
}

interface Snapshot {
  readonly queue: QueueStatus
  readonly partitions: 'one' | 'many'
  readonly store: StoreStatus
  readonly processing: ProcessingMetrics
  readonly gateway: GatewayMetrics
}

/** One scrape reads every part once, however many metrics come of it. */
const snapshotMs = 100

interface Measure {
  /** Without the prefix `drover_`. A counter's name ends in `_total`. */
  readonly name: string
  readonly help: string
  readonly read: (snapshot: Snapshot) => number | readonly MetricSample[]
  /** The label by which there are several samples. */
  readonly label?: string
}

const measure = (name: string, help: string, read: Measure['read'], label?: string): Measure => ({
  name,
  help,
  read,
  label,
})

const ofGateway = (
  name: string,
  help: string,
  read: (gateway: GatewayMetrics) => number | readonly MetricSample[],
  label?: string,
) => measure(name, help, ({ gateway }) => read(gateway), label)

const gatewayMeasures: readonly Measure[] = [
  ofGateway('connections', 'Open MQTT connections.', (g) => g.connections),
  ofGateway('connections_paused', 'MQTT connections that are not read now.', (g) => g.pausedConnections),
  ofGateway('connections_ended_total', 'Ended sessions.', (g) => samples(g.ended), 'reason'),
  ofGateway('gateways_congested', 'Gateways that wait for the queue.', (g) => g.congested),
  ofGateway('messages_received_total', 'MQTT messages received.', byQos, 'qos'),
  ofGateway('received_bytes_total', 'Bytes received over MQTT.', (g) => g.bytesReceived),
  ofGateway('refused_total', 'Refused packets and connections.', (g) => samples(g.refused), 'reason'),
  ofGateway('queue_append_failures_total', 'Appends that failed.', (g) => g.appendFailures),
  ofGateway('queue_appends_waiting', 'Appends that wait for the queue.', (g) => g.appendsWaiting),
]

const queueMeasures: readonly Measure[] = [
  measure('queue_bytes', 'Bytes in the queue.', ({ queue }) => queue.bytes),
  measure('queue_bytes_max', 'Bytes at which the queue refuses more.', ({ queue }) => queue.bytesMax),
  measure('queue_lag_records', 'Accepted messages that are not stored yet.', lag),
]

const ofProcessing = (
  name: string,
  help: string,
  read: (processing: ProcessingMetrics) => number | readonly MetricSample[],
  label?: string,
) => measure(name, help, ({ processing }) => read(processing), label)

const processingMeasures: readonly Measure[] = [
  ofProcessing('messages_processed_total', 'Messages processed.', (p) => p.messages),
  ofProcessing('messages_duplicate_total', 'Messages whose key had been seen.', (p) => p.duplicates),
  ofProcessing('points_stored_total', 'Points stored.', (p) => p.points),
  ofProcessing('points_suspect_total', 'Stored points of quality suspect.', (p) => p.suspect),
  ofProcessing('quarantined_total', 'Refused values and messages.', (p) => samples(p.quarantined), 'reason'),
  ofProcessing(
    'quarantine_dropped_total',
    'Entries over the quarantine cap of their device: counted, not kept.',
    (p) => p.quarantineDropped,
  ),
  ofProcessing('store_retries_total', 'Writes to the store that were repeated.', (p) => p.retries),
  ofProcessing(
    'processing_restarts_total',
    'Times that processing started again, as another processor took over or the queue was away.',
    (p) => p.restarts,
  ),
]

const ofStore = (name: string, help: string, read: (store: StoreStatus) => number) =>
  measure(name, help, ({ store }) => read(store))

const storeMeasures: readonly Measure[] = [
  ofStore('store_points', 'Points in the store.', (s) => s.points),
  ofStore('store_series', 'Series in the store.', (s) => s.series),
  ofStore('store_hot_points', 'Points that are not in segments yet.', (s) => s.hotPoints),
  ofStore('store_late_points', 'Points that came out of order and wait to be merged.', (s) => s.latePoints),
  ofStore('store_segments', 'Segment files.', (s) => s.segments),
  ofStore('store_segment_bytes', 'Bytes of the segment files.', (s) => s.segmentBytes),
  ofStore('quarantine_entries', 'Entries in quarantine.', (s) => s.quarantined),
]

/** What `/metrics` tells of the way of a message. */
export function metricSources(parts: MeasuredParts): MetricSource[] {
  const snapshot = memoised(() => takeSnapshot(parts))
  const all = [...gatewayMeasures, ...queueMeasures, ...processingMeasures, ...storeMeasures]
  const sources = all.map(
    ({ name, help, read, label }): MetricSource => ({
      name: `drover_${name}`,
      help,
      type: name.endsWith('_total') ? 'counter' : 'gauge',
      labelNames: label === undefined ? [] : [label],
      collect: async () => read(await snapshot()),
    }),
  )
  const listeners = () => parts.live.listeners
  return [
    ...sources,
    { name: 'drover_live_listeners', help: 'Listeners of the live feed.', type: 'gauge', collect: listeners },
  ]
}

async function takeSnapshot({ queue, storage, gateways, local }: MeasuredParts): Promise<Snapshot> {
  const [queueStatus, { store, processing }, threads] = await Promise.all([
    queue.status(),
    storage.metrics(),
    gateways.metrics(),
  ])
  const { partitions } = queue.capabilities
  return {
    queue: queueStatus,
    partitions,
    store,
    processing,
    gateway: sumMetrics([threads, local.gateway.metrics()]),
  }
}

function memoised(take: () => Promise<Snapshot>): () => Promise<Snapshot> {
  let taken: Promise<Snapshot> | undefined
  let takenAt = 0
  return () => {
    const now = performance.now()
    if (taken === undefined || now - takenAt > snapshotMs) {
      taken = take()
      takenAt = now
    }
    return taken
  }
}

/** Where processors share the partitions, only the queue knows what all of them have stored. */
function lag({ queue, partitions, processing }: Snapshot): number {
  const last = queue.nextPosition - 1
  if (partitions === 'many') return Math.max(0, last - (queue.committed[consumerName] ?? 0))
  const stored = Object.values(processing.positions).reduce(
    (max, position) => Math.max(max, position),
    queue.firstPosition - 1,
  )
  return Math.max(0, last - stored)
}

function byQos({ messagesQos0, messagesQos1, messagesQos2 }: GatewayMetrics): MetricSample[] {
  return [messagesQos0, messagesQos1, messagesQos2].map((value, qos) => ({
    labels: { qos: String(qos) },
    value,
  }))
}

function samples(counts: Readonly<Record<string, number>>): MetricSample[] {
  return Object.entries(counts).map(([reason, value]) => ({ labels: { reason }, value }))
}
