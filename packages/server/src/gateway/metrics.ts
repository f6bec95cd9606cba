import { addHistograms, emptyHistogram, type LatencyHistogram } from './histogram.ts'
import type { EndReason } from './presence.ts'

/** What one gateway counted since its start; plain numbers, so that they cross threads. */
export interface GatewayMetrics {
  /** MQTT connections that are open now (their CONNECT was accepted), and wires that are open. */
  connections: number
  wires: number
  accepted: number
  opened: number
  ended: Partial<Record<EndReason, number>>
  messagesQos0: number
  messagesQos1: number
  messagesQos2: number
  bytesReceived: number
  /** PUBACK, PUBREC and PUBCOMP that were sent, refusals among them, and the writes that it took. */
  acknowledged: number
  acknowledgedWrites: number
  /** Refused messages, subscriptions and connections, by what was wrong. */
  refused: Record<string, number>
  /** Appends that failed and were tried again, or given up. */
  appendFailures: number
  /** Appends that wait for the queue. */
  appendsWaiting: number
  pendingBytes: number
  pausedConnections: number
  /** Gateways whose connections are paused because the queue fails or lags. */
  congested: number
  /** From handing a batch over until it was durable. */
  appendLatency: LatencyHistogram
}

export function emptyMetrics(): GatewayMetrics {
  return {
    connections: 0,
    wires: 0,
    accepted: 0,
    opened: 0,
    ended: {},
    messagesQos0: 0,
    messagesQos1: 0,
    messagesQos2: 0,
    bytesReceived: 0,
    acknowledged: 0,
    acknowledgedWrites: 0,
    refused: {},
    appendFailures: 0,
    appendsWaiting: 0,
    pendingBytes: 0,
    pausedConnections: 0,
    congested: 0,
    appendLatency: emptyHistogram(),
  }
}

/** The sum over several gateways. */
export function sumMetrics(all: readonly GatewayMetrics[]): GatewayMetrics {
  return all.reduce(addMetrics, emptyMetrics())
}

function addMetrics(a: GatewayMetrics, b: GatewayMetrics): GatewayMetrics {
  const sum = { ...a } as unknown as Record<string, unknown>
  for (const [name, value] of Object.entries(b))
    if (typeof value === 'number') sum[name] = (sum[name] as number) + value
  return {
    ...(sum as unknown as GatewayMetrics),
    ended: addCounts(a.ended, b.ended),
    refused: addCounts(a.refused, b.refused),
    appendLatency: addHistograms(a.appendLatency, b.appendLatency),
  }
}

function addCounts(a: Partial<Record<string, number>>, b: Partial<Record<string, number>>) {
  const sum: Record<string, number> = {}
  for (const [name, count] of [...Object.entries(a), ...Object.entries(b)])
    sum[name] = (sum[name] ?? 0) + (count ?? 0)
  return sum
}
