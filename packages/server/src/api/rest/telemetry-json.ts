import type { ValueType } from '@drover/protocol'
import { timeFormatter } from '../../model/time.ts'
import type { DeviceLatest } from '../../telemetry/latest.ts'
import type { ReadAnswer } from '../../telemetry/read.ts'
import type { SeriesAnswer, SeriesPoints } from '../../telemetry/series.ts'

type FormatTime = ReturnType<typeof timeFormatter>

/**
 * Telemetry as JSON text, written straight from what the store gives: a hundred thousand points would otherwise become
 * objects first, and be checked one by one. Text is added to text, which is faster than joining an array of them. The
 * test beside this holds the text against the schemas.
 */
export function pageJson(answer: ReadAnswer): string {
  return `${seriesHead(answer)},"points":${pointsJson(answer.points, timeFormatter())},"nextCursor":${JSON.stringify(answer.nextCursor)}}`
}

export function seriesJson(answers: readonly SeriesAnswer[]): string {
  const formatTime = timeFormatter()
  let json = ''
  for (const answer of answers)
    json += `${after(json)}${seriesHead(answer)},"points":${pointsJson(answer.points, formatTime)}}`
  return `{"series":[${json}]}`
}

export function latestJson(answer: DeviceLatest): string {
  return deviceLatestJson(answer, timeFormatter())
}

export function latestsJson(answers: readonly DeviceLatest[]): string {
  const formatTime = timeFormatter()
  let json = ''
  for (const answer of answers) json += after(json) + deviceLatestJson(answer, formatTime)
  return `{"items":[${json}]}`
}

/** What stands before the next item. */
function after(json: string): string {
  return json === '' ? '' : ','
}

function seriesHead({ device, metric, unit }: SeriesAnswer): string {
  return JSON.stringify({ device, metric, unit }).slice(0, -1)
}

function deviceLatestJson({ device, metrics }: DeviceLatest, formatTime: FormatTime): string {
  let json = ''
  for (const { metric, type, unit, latest } of metrics) {
    const { timeMicros, value, quality } = latest
    const shown = typeof value === 'number' ? value : textJson(type, value)
    const shownUnit = unit === null ? 'null' : JSON.stringify(unit)
    json +=
      `${after(json)}${JSON.stringify(metric)}:{"time":"${formatTime(timeMicros)}","value":${shown}` +
      `,"quality":${qualities[quality]!},"type":"${type}","unit":${shownUnit}}`
  }
  return `{"device":${JSON.stringify(device)},"metrics":{${json}}}`
}

function pointsJson(points: SeriesPoints, formatTime: FormatTime): string {
  return points.kind === 'raw' ? rawJson(points, formatTime) : bucketsJson(points, formatTime)
}

const qualities = ['"good"', '"suspect"']

/** The value of a text point. Booleans, JSON and locations are stored as the JSON text that they are. */
function textJson(type: ValueType, text: string): string {
  return type === 'string' ? JSON.stringify(text) : text
}

type Raw = Extract<SeriesPoints, { kind: 'raw' }>
type Buckets = Extract<SeriesPoints, { kind: 'buckets' }>

function rawJson({ columns, type, start, end }: Raw, formatTime: FormatTime): string {
  const { timeMicros, value, text, quality } = columns
  const isText = value.length === 0
  let json = ''
  for (let at = start; at < end; at++) {
    const shown = isText ? textJson(type, text[at]!) : value[at]!
    json += `${after(json)}{"time":"${formatTime(timeMicros[at]!)}","value":${shown},"quality":${qualities[quality[at]!]!}}`
  }
  return `[${json}]`
}

function bucketsJson({ columns, functions, start, end }: Buckets, formatTime: FormatTime): string {
  const { timeMicros, good, suspect } = columns
  const named = functions.map((name) => ({ label: `,"${name}":`, column: columns.columns[name]! }))
  let json = ''
  for (let at = start; at < end; at++) {
    json += `${after(json)}{"time":"${formatTime(timeMicros[at]!)}"`
    for (const { label, column } of named) json += label + numberJson(column[at]!)
    json += `,"good":${good[at]},"suspect":${suspect[at]}}`
  }
  return `[${json}]`
}

/** A bucket without a value has NaN, which JSON has not. */
function numberJson(value: number): string {
  return Number.isFinite(value) ? String(value) : 'null'
}
