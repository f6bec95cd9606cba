import type { MetricSample, MetricSource } from './api/metrics.ts'
import type { Gateways } from './gateway/gateways.ts'
import type { LocalGateway } from './gateway/local-gateway.ts'
import { type GatewayMetrics, sumMetrics } from './gateway/metrics.ts'
import type { LiveFeed } from './live/feed.ts'
import type { ProcessingMetrics } from './processing/metrics.ts'
import type { Queue, QueueStatus } from './queue/queue.ts'
import type { StoreStatus } from './store/store.ts'
import type { Storage } from './threads/storage-host.ts'

export interface MeasuredParts {
  readonly queue: Pick<Queue, 'status'>
  readonly storage: Pick<Storage, 'metrics'>
  readonly gateways: Pick<Gateways, 'metrics'>
  readonly local: LocalGateway
  readonly live: Pick<LiveFeed, 'listeners'>
}

interface Snapshot {
  readonly queue: QueueStatus
  readonly store: StoreStatus
  readonly processing: ProcessingMetrics
  readonly gateway: GatewayMetrics
}

/** One scrape reads every part once, however many metrics come of it. */
const snapshotMs = 100

type Read = (snapshot: Snapshot) => number | readonly MetricSample[]

/** What `/metrics` tells of the way of a message. */
export function metricSources(parts: MeasuredParts): MetricSource[] {
  const snapshot = memoised(() => takeSnapshot(parts))
  const source = (
    type: MetricSource['type'],
    name: string,
    help: string,
    read: Read,
    labelNames?: string[],
  ) => ({
    name: `drover_${name}`,
    help,
    type,
    labelNames,
    collect: async () => read(await snapshot()),
  })
  const gauge = (name: string, help: string, read: Read, labels?: string[]) =>
    source('gauge', name, help, read, labels)
  const counter = (name: string, help: string, read: Read, labels?: string[]) =>
    source('counter', `${name}_total`, help, read, labels)
  return [
    gauge('connections', 'Open MQTT connections.', ({ gateway }) => gateway.connections),
    gauge(
      'connections_paused',
      'MQTT connections that are not read now.',
      ({ gateway }) => gateway.pausedConnections,
    ),
    gauge('gateways_congested', 'Gateways that wait for the queue.', ({ gateway }) => gateway.congested),
    counter('messages_received', 'MQTT messages received, by QoS.', ({ gateway }) => byQos(gateway), ['qos']),
    counter('received_bytes', 'Bytes received over MQTT.', ({ gateway }) => gateway.bytesReceived),
    counter(
      'refused',
      'Refused packets and connections, by what was wrong.',
      ({ gateway }) => samples(gateway.refused, 'reason'),
      ['reason'],
    ),
    counter(
      'connections_ended',
      'Ended sessions, by reason.',
      ({ gateway }) => samples(gateway.ended, 'reason'),
      ['reason'],
    ),
    counter('queue_append_failures', 'Appends that failed.', ({ gateway }) => gateway.appendFailures),
    gauge(
      'queue_appends_waiting',
      'Appends that wait for the queue.',
      ({ gateway }) => gateway.appendsWaiting,
    ),
    gauge('queue_bytes', 'Bytes in the queue.', ({ queue }) => queue.bytes),
    gauge('queue_bytes_max', 'Bytes at which the queue refuses more.', ({ queue }) => queue.bytesMax),
    gauge('queue_lag_records', 'Accepted messages that are not stored yet.', lag),
    counter('messages_processed', 'Messages processed.', ({ processing }) => processing.messages),
    counter(
      'messages_duplicate',
      'Messages that had been seen before, by their key.',
      ({ processing }) => processing.duplicates,
    ),
    counter('points_stored', 'Points stored.', ({ processing }) => processing.points),
    counter('points_suspect', 'Stored points of quality suspect.', ({ processing }) => processing.suspect),
    counter(
      'quarantined',
      'Refused values and messages, by reason.',
      ({ processing }) => samples(processing.quarantined, 'reason'),
      ['reason'],
    ),
    counter(
      'quarantine_dropped',
      'Entries over the quarantine cap of their device: counted, not kept.',
      ({ processing }) => processing.quarantineDropped,
    ),
    counter(
      'store_retries',
      'Writes to the store that failed and were repeated.',
      ({ processing }) => processing.retries,
    ),
    gauge('store_points', 'Points in the store.', ({ store }) => store.points),
    gauge('store_series', 'Series in the store.', ({ store }) => store.series),
    gauge('store_hot_points', 'Points that are not in segments yet.', ({ store }) => store.hotPoints),
    gauge(
      'store_late_points',
      'Points that came out of order and wait to be merged.',
      ({ store }) => store.latePoints,
    ),
    gauge('store_segments', 'Segment files.', ({ store }) => store.segments),
    gauge('store_segment_bytes', 'Bytes of the segment files.', ({ store }) => store.segmentBytes),
    gauge('quarantine_entries', 'Entries in quarantine.', ({ store }) => store.quarantined),
    {
      name: 'drover_live_listeners',
      help: 'Listeners of the live feed.',
      type: 'gauge',
      collect: () => parts.live.listeners,
    },
  ]
}

async function takeSnapshot({ queue, storage, gateways, local }: MeasuredParts): Promise<Snapshot> {
  const [queueStatus, { store, processing }, threads] = await Promise.all([
    queue.status(),
    storage.metrics(),
    gateways.metrics(),
  ])
  return { queue: queueStatus, store, processing, gateway: sumMetrics([threads, local.gateway.metrics()]) }
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

function lag({ queue, processing }: Snapshot): number {
  const last = queue.nextPosition - 1
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

function samples(counts: Readonly<Record<string, number>>, label: string): MetricSample[] {
  return Object.entries(counts).map(([key, value]) => ({ labels: { [label]: key }, value }))
}
