import type { QuarantineReason } from '@drover/protocol'

/** `outOfRange` as people read it: `Out of range`. */
export function reasonLabel(reason: QuarantineReason): string {
  const words = reason.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`)
  return `${words[0]!.toUpperCase()}${words.slice(1)}`.replace('json', 'JSON').replace(/sen ml/i, 'SenML')
}
