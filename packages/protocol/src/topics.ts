/**
 * MQTT topics on which a device publishes. `me/…` is the connected device's own `devices/<id>/…`;
 * `v1/devices/me/telemetry` is what ThingsBoard's devices use.
 */
export type PublishTopic =
  | { readonly kind: 'telemetry' }
  /** The topic names a device that is not the connected one. */
  | { readonly kind: 'foreign'; readonly device: string }
  | { readonly kind: 'unknown' }

const telemetry: PublishTopic = { kind: 'telemetry' }
const unknown: PublishTopic = { kind: 'unknown' }
const ownTelemetry = new Set(['me/telemetry', 'v1/devices/me/telemetry'])

/** What the topic of a PUBLISH means when `device` (its id) sends it. */
export function parsePublishTopic(topic: string, device: string): PublishTopic {
  if (ownTelemetry.has(topic)) return telemetry
  const match = /^devices\/([^/]+)\/telemetry$/.exec(topic)
  if (!match) return unknown
  return match[1] === device ? telemetry : { kind: 'foreign', device: match[1]! }
}
