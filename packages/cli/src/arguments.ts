import { InvalidArgumentError } from 'commander'

export function positiveInteger(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('It must be a whole number from 1.')
  return value
}

export function positiveNumber(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value < Number.POSITIVE_INFINITY))
    throw new InvalidArgumentError('It must be a number over 0.')
  return value
}

/** `a,b,c` */
export function list(text: string): string[] {
  return text === '' ? [] : text.split(',').map((part) => part.trim())
}

const unitsMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const

/** `90s`, `15m`, `2h`, `7d`, or seconds without a unit; answers milliseconds. */
export function duration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)?$/.exec(text)
  if (!match) throw new InvalidArgumentError('It must be a duration such as 90s, 15m, 2h or 7d.')
  return Number(match[1]) * unitsMs[(match[2] ?? 's') as keyof typeof unitsMs]
}

/** RFC 3339, milliseconds since 1970, or how long ago (`24h`, `7d`); answers RFC 3339. */
export function time(text: string, nowMs: number = Date.now()): string {
  if (/^\d+(\.\d+)?(s|m|h|d|w)$/.test(text)) return new Date(nowMs - duration(text)).toISOString()
  const milliseconds = /^\d{11,}$/.test(text) ? Number(text) : Date.parse(text)
  if (!Number.isFinite(milliseconds))
    throw new InvalidArgumentError(
      'It must be a time such as 2026-11-22T17:30:00Z, or how long ago: 24h, 7d.',
    )
  return /^\d+$/.test(text) ? new Date(milliseconds).toISOString() : zoned(text, milliseconds)
}

/** Text keeps its microseconds; without an offset it is local time here, as Date.parse reads it. */
function zoned(text: string, milliseconds: number): string {
  return /(Z|[+-]\d\d:\d\d)$/i.test(text) ? text : new Date(milliseconds).toISOString()
}
