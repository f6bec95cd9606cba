import { limits } from '@drover/protocol'
import { type Refusal, refusal } from '../quality/refusal.ts'

export const tooDeep: Refusal = refusal(
  'payloadTooDeep',
  `the payload is nested more than ${limits.payloadDepthMax} levels deep`,
)

/** Whether `value`, which itself stands at `level`, reaches below the deepest level allowed. */
export function isTooDeep(value: unknown, level: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (level > limits.payloadDepthMax) return true
  const parts: unknown[] = Array.isArray(value) ? value : Object.values(value)
  return parts.some((part) => isTooDeep(part, level + 1))
}
