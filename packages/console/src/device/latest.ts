import type { JsonValue, Latest, LiveEvent, ValueType } from '@drover/protocol'

/** The latest values after these events. A point that is older than what is known changes nothing. */
export function withPoints(latest: Latest, events: readonly LiveEvent[]): Latest {
  const metrics = { ...latest.metrics }
  let changed = false
  for (const event of events) {
    if (event.type !== 'points' || event.device !== latest.device) continue
    for (const { metric, ...point } of event.points) {
      const known = metrics[metric]
      if (known && Date.parse(known.time) > Date.parse(point.time)) continue
      metrics[metric] = { type: typeOf(point.value), unit: null, ...known, ...point }
      changed = true
    }
  }
  return changed ? { ...latest, metrics } : latest
}

/** Good enough until the server is asked: the type of a metric that was just seen for the first time. */
function typeOf(value: JsonValue): ValueType {
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string')
    return typeof value as ValueType
  return 'json'
}
