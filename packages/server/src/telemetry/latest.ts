import type { Latest, latestQuerySchema } from '@drover/protocol'
import type { z } from 'zod'
import type { Actor } from '../access/actor.ts'
import { requireDevice, selectDevices } from '../devices/resolve.ts'
import { formatTimeMicros } from '../model/time.ts'
import type { SeriesState } from '../store/store.ts'
import type { TelemetryContext } from './context.ts'
import { presentValue, qualityName } from './values.ts'

/** The point with the latest time of each metric. Rejects with `badIdentifier`, `notFound`. */
export async function latestOf(
  { registry, reader }: TelemetryContext,
  actor: Actor,
  deviceId: string,
): Promise<Latest> {
  const { uid } = await requireDevice(registry, actor.tenant, deviceId)
  return present(deviceId, await reader.latest([uid]))
}

/** The same of several devices, in the order of their ids. Rejects with `badRequest`, `notFound`, `queryTooLarge`. */
export async function latestOfMany(
  { registry, reader }: TelemetryContext,
  actor: Actor,
  query: z.output<typeof latestQuerySchema>,
): Promise<Latest[]> {
  const devices = await selectDevices(registry, actor.tenant, query)
  const uids = devices.map(({ uid }) => uid)
  const states = uids.length === 0 ? [] : await reader.latest(uids)
  const wanted = query.metrics && new Set(query.metrics)
  const byDevice = Map.groupBy(
    states.filter(({ metric }) => wanted?.has(metric) ?? true),
    ({ deviceUid }) => deviceUid,
  )
  return devices.map(({ uid, id }) => present(id, byDevice.get(uid) ?? []))
}

function present(device: string, states: readonly SeriesState[]): Latest {
  const metrics: Latest['metrics'] = {}
  for (const { metric, type, unit, latest } of states.toSorted((a, b) => (a.metric < b.metric ? -1 : 1))) {
    if (!latest) continue
    const time = formatTimeMicros(latest.timeMicros)
    const value = presentValue(type, latest.value)
    metrics[metric] = { time, value, quality: qualityName(latest.quality), type, unit }
  }
  return { device, metrics }
}
