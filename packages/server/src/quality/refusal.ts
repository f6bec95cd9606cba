import type { QuarantineReason } from '@drover/protocol'

/** Why a value is bad: it goes to quarantine instead of to the points. */
export interface Refusal {
  readonly reason: QuarantineReason
  /** What exactly is wrong: the value, and the bound that it broke. */
  readonly message: string
}

export function refusal(reason: QuarantineReason, message: string): Refusal {
  return { reason, message }
}

const quotedCharactersMax = 64

/** A value as a message shows it: as JSON, cut where it is long. */
export function quoted(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : describe(value)
  return text.length > quotedCharactersMax ? `${text.slice(0, quotedCharactersMax)}…` : text
}

function describe(value: unknown): string {
  // Only what is shown is written: a value may be as long as its message.
  if (typeof value === 'string') return JSON.stringify(value.slice(0, quotedCharactersMax))
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}
