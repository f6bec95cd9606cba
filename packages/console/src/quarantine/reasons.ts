import type { QuarantineEntry, QuarantineReason } from '@drover/protocol'

/** `outOfRange` as people read it: `Out of range`. */
export function reasonLabel(reason: QuarantineReason): string {
  const words = reason.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`)
  return `${words[0]!.toUpperCase()}${words.slice(1)}`.replace('json', 'JSON').replace(/sen ml/i, 'SenML')
}

/** What happened in one line: `temperature: -273 is below the minimum of -40`. */
export function entryLine({ metric, message }: Pick<QuarantineEntry, 'metric' | 'message'>): string {
  return metric === null ? sentence(message) : `${metric}: ${message}`
}

export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
