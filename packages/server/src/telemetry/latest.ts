import type { latestQuerySchema } from '@drover/protocol'
import type { z } from 'zod'
import type { Actor } from '../access/actor.ts'
import { requireDevice, selectDevices } from '../devices/resolve.ts'
import type { LatestValue, SeriesState } from '../store/store.ts'
import type { TelemetryContext } from './context.ts'

/** The series of one device that have a point, in the order of their metrics, each with the one of the latest time. */
export interface DeviceLatest {
  readonly device: string
  readonly metrics: readonly MetricLatest[]
}
export type MetricLatest = SeriesState & { readonly latest: LatestValue }

/** The point with the latest time of each metric. Rejects with `badIdentifier`, `notFound`. */
export async function latestOf(
  { registry, reader }: TelemetryContext,
  actor: Actor,
  deviceId: string,
): Promise<DeviceLatest> {
  const { uid } = await requireDevice(registry, actor.tenant, deviceId)
  const states = await reader.latest([uid])
  return { device: deviceId, metrics: states.filter(hasPoint).sort(byMetric) }
}

/** The same of several devices, in the order of their ids. Rejects with `badRequest`, `notFound`, `queryTooLarge`. */
export async function latestOfMany(
  { registry, reader }: TelemetryContext,
  actor: Actor,
  query: z.output<typeof latestQuerySchema>,
): Promise<DeviceLatest[]> {
  const devices = await selectDevices(registry, actor.tenant, query)
  const wanted = query.metrics && new Set(query.metrics)
  const byUid = new Map(devices.map(({ uid }) => [uid, [] as MetricLatest[]]))
  const states = byUid.size === 0 ? [] : await reader.latest([...byUid.keys()])
  for (const state of states)
    if (hasPoint(state) && (wanted?.has(state.metric) ?? true)) byUid.get(state.deviceUid)!.push(state)
  return devices.map(({ uid, id }) => ({ device: id, metrics: byUid.get(uid)!.sort(byMetric) }))
}

function hasPoint(state: SeriesState): state is MetricLatest {
  return state.latest !== undefined
}

function byMetric(a: MetricLatest, b: MetricLatest): number {
  return a.metric < b.metric ? -1 : 1
}
