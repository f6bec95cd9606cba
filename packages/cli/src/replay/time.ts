import { DroverError } from '@drover/protocol'

/** Cells of one row of a CSV. */
export type Cells = readonly string[]
/** Milliseconds since 1970, or undefined when the cells hold no time. */
export type TimeReader = (cells: Cells) => number | undefined

/** A time on the wall clock, as if it were UTC, in milliseconds; `offsetMs` when it says how far from UTC it is. */
interface WallTime {
  readonly wallMs: number
  readonly offsetMs?: number
}

const isoPattern =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?\s*(Z|[+-]\d\d:?\d\d)?$/i
const tokens = ['YYYY', 'MM', 'DD', 'HH', 'mm', 'ss', 'SSS'] as const
type Token = (typeof tokens)[number]

/** The parts of a time in the order in which `--time-parts` names their columns. */
export const partsMax = 6

export interface TimeOptions {
  /** Columns whose texts, joined by a blank, hold the time; or columns of year, month, day … if `format` is `parts`. */
  readonly columns: readonly number[]
  /** `iso`, `seconds` or `milliseconds` since 1970, `parts`, or a pattern of YYYY MM DD HH mm ss SSS. */
  readonly format: string
  /** For times that do not say it themselves. */
  readonly zone: Zone
}

export function createTimeReader({ columns, format, zone }: TimeOptions): TimeReader {
  const text = (cells: Cells) => columns.map((column) => cells[column]!.trim()).join(' ')
  if (format === 'seconds') return (cells) => sinceEpoch(text(cells), 1000)
  if (format === 'milliseconds') return (cells) => sinceEpoch(text(cells), 1)
  const read = wallReader(format, columns, text)
  return (cells) => {
    const wall = read(cells)
    if (wall === undefined) return undefined
    return wall.wallMs - (wall.offsetMs ?? zone.offsetMs(wall.wallMs))
  }
}

function wallReader(format: string, columns: readonly number[], text: (cells: Cells) => string) {
  if (format === 'parts') return (cells: Cells) => fromParts(columns.map((column) => Number(cells[column])))
  if (format === 'iso') return (cells: Cells) => fromIso(text(cells))
  const pattern = compilePattern(format)
  return (cells: Cells) => fromPattern(text(cells), pattern)
}

function sinceEpoch(text: string, factor: number): number | undefined {
  const value = text === '' ? Number.NaN : Number(text) * factor
  return Number.isFinite(value) ? value : undefined
}

function fromIso(text: string): WallTime | undefined {
  const match = isoPattern.exec(text)
  if (!match) return undefined
  const [, year, month, day, hour, minute, second, fraction, offset] = match
  const wall = fromParts([year, month, day, hour, minute, second].map((part) => Number(part ?? 0)))
  if (wall === undefined) return undefined
  const wallMs = wall.wallMs + Number(`0.${fraction ?? 0}`) * 1000
  return offset === undefined ? { wallMs } : { wallMs, offsetMs: parseOffset(offset) }
}

/** Undefined for a 31st of June and the like, which Date would take for another day. */
function fromParts(parts: readonly number[], millisecond = 0): WallTime | undefined {
  const [year = Number.NaN, month = 1, day = 1, hour = 0, minute = 0, second = 0] = parts
  const wallMs = Date.UTC(year, month - 1, day, hour, minute, second, millisecond)
  const date = new Date(wallMs)
  const same =
    date.getUTCFullYear() === year &&
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    date.getUTCHours() === hour &&
    date.getUTCMinutes() === minute
  return same ? { wallMs } : undefined
}

function compilePattern(format: string): RegExp {
  if (!format.includes('YYYY'))
    throw new DroverError('badRequest', {
      reason: `--time-format ${format} is none of iso, seconds, milliseconds and has no YYYY`,
    })
  const escaped = format.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const digits = (token: string) => `(?<${token}>\\d{${token === 'YYYY' ? 4 : token === 'SSS' ? 3 : '1,2'}})`
  return new RegExp(`^${escaped.replace(/YYYY|SSS|MM|DD|HH|mm|ss/g, digits)}$`)
}

function fromPattern(text: string, pattern: RegExp): WallTime | undefined {
  const groups = pattern.exec(text)?.groups
  if (!groups) return undefined
  const part = (token: Token, otherwise: number) => Number(groups[token] ?? otherwise)
  const parts = [part('YYYY', 0), part('MM', 1), part('DD', 1), part('HH', 0), part('mm', 0), part('ss', 0)]
  return fromParts(parts, part('SSS', 0))
}

export interface Zone {
  /** How far the zone's wall clock is ahead of UTC when it shows `wallMs`. */
  offsetMs(wallMs: number): number
}

/** `UTC`, an offset such as `+08:00`, or an IANA name such as `Europe/Berlin`. Throws `badRequest`. */
export function parseZone(text: string): Zone {
  if (/^(Z|UTC)$/i.test(text)) return { offsetMs: () => 0 }
  if (/^[+-]\d\d:?\d\d$/.test(text)) {
    const offset = parseOffset(text)
    return { offsetMs: () => offset }
  }
  return createNamedZone(text)
}

function parseOffset(text: string): number {
  if (/^z$/i.test(text)) return 0
  const minutes = Number(text.slice(1, 3)) * 60 + Number(text.slice(-2))
  return (text.startsWith('-') ? -minutes : minutes) * 60_000
}

const quarterHourMs = 900_000
const offsetsKeptMax = 50_000

/**
 * A wall time that a change of the clock skips is read with the offset before the change; one that comes twice, as
 * its first occurrence.
 */
function createNamedZone(timeZone: string): Zone {
  const offsetAt = cachedOffsets(createFormat(timeZone))
  return {
    offsetMs(wallMs) {
      const before = offsetAt(wallMs - 86_400_000)
      const after = offsetAt(wallMs + 86_400_000)
      if (before === after) return before
      return offsetAt(wallMs - before) === before || offsetAt(wallMs - after) !== after ? before : after
    },
  }
}

function createFormat(timeZone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  } catch (error) {
    throw new DroverError(
      'badRequest',
      { reason: `${timeZone} is no time zone; use UTC, +08:00 or Asia/Shanghai` },
      error,
    )
  }
}

/** Formatting a date is slow, and clocks change at quarter hours only. */
function cachedOffsets(format: Intl.DateTimeFormat): (utcMs: number) => number {
  const known = new Map<number, number>()
  return (utcMs) => {
    const start = Math.floor(utcMs / quarterHourMs) * quarterHourMs
    let offset = known.get(start)
    if (offset === undefined) {
      offset = wallOf(format, start) - start
      if (known.size >= offsetsKeptMax) known.clear()
      known.set(start, offset)
    }
    return offset
  }
}

function wallOf(format: Intl.DateTimeFormat, utcMs: number): number {
  const parts: Record<string, number> = {}
  for (const { type, value } of format.formatToParts(utcMs)) parts[type] = Number(value)
  return Date.UTC(parts.year!, parts.month! - 1, parts.day, parts.hour, parts.minute, parts.second)
}
