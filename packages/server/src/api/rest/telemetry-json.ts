import type { ValueType } from '@drover/protocol'
import { timeFormatter } from '../../model/time.ts'
import type { DeviceLatest } from '../../telemetry/latest.ts'
import type { ReadAnswer } from '../../telemetry/read.ts'
import type { SeriesAnswer, SeriesPoints } from '../../telemetry/series.ts'

/**
 * Telemetry as JSON text, written straight from what the store gives: a hundred thousand points would otherwise become
 * objects first, and be checked one by one. The test beside this holds the text against the schemas.
 */
export function pageJson(answer: ReadAnswer): string {
  const { device, metric, unit, points, nextCursor } = answer
  const head = JSON.stringify({ device, metric, unit }).slice(0, -1)
  return `${head},"points":${pointsJson(points)},"nextCursor":${JSON.stringify(nextCursor)}}`
}

export function seriesJson(answers: readonly SeriesAnswer[]): string {
  const series = answers.map(({ device, metric, unit, points }) => {
    const head = JSON.stringify({ device, metric, unit }).slice(0, -1)
    return `${head},"points":${pointsJson(points)}}`
  })
  return `{"series":[${series.join(',')}]}`
}

export function latestJson(answer: DeviceLatest): string {
  return deviceLatestJson(answer, timeFormatter())
}

export function latestsJson(answers: readonly DeviceLatest[]): string {
  const formatTime = timeFormatter()
  return `{"items":[${answers.map((answer) => deviceLatestJson(answer, formatTime)).join(',')}]}`
}

function deviceLatestJson({ device, metrics }: DeviceLatest, formatTime: (micros: number) => string): string {
  let json = ''
  for (const { metric, type, unit, latest } of metrics) {
    const { timeMicros, value, quality } = latest
    const shown = typeof value === 'number' ? value : textJson(type, value)
    const shownUnit = unit === null ? 'null' : JSON.stringify(unit)
    json +=
      `${json === '' ? '' : ','}${JSON.stringify(metric)}:{"time":"${formatTime(timeMicros)}","value":${shown}` +
      `,"quality":${qualities[quality]!},"type":"${type}","unit":${shownUnit}}`
  }
  return `{"device":${JSON.stringify(device)},"metrics":{${json}}}`
}

function pointsJson(points: SeriesPoints): string {
  return points.kind === 'raw' ? rawJson(points) : bucketsJson(points)
}

const qualities = ['"good"', '"suspect"']

/** The value of a text point. Booleans, JSON and locations are stored as the JSON text that they are. */
function textJson(type: ValueType, text: string): string {
  return type === 'string' ? JSON.stringify(text) : text
}

function rawJson({ columns, type, start, end }: Extract<SeriesPoints, { kind: 'raw' }>): string {
  const { timeMicros, value, text, quality } = columns
  const isText = value.length === 0
  const formatTime = timeFormatter()
  const json = Array<string>(end - start)
  for (let at = start; at < end; at++) {
    const shown = isText ? textJson(type, text[at]!) : value[at]!
    json[at - start] =
      `{"time":"${formatTime(timeMicros[at]!)}","value":${shown},"quality":${qualities[quality[at]!]!}}`
  }
  return `[${json.join(',')}]`
}

function bucketsJson({ columns, functions, start, end }: Extract<SeriesPoints, { kind: 'buckets' }>): string {
  const { timeMicros, good, suspect } = columns
  const named = functions.map((name) => ({ label: `,"${name}":`, column: columns.columns[name]! }))
  const formatTime = timeFormatter()
  const json = Array<string>(end - start)
  for (let at = start; at < end; at++) {
    let values = ''
    for (const { label, column } of named) values += label + numberJson(column[at]!)
    json[at - start] =
      `{"time":"${formatTime(timeMicros[at]!)}"${values},"good":${good[at]},"suspect":${suspect[at]}}`
  }
  return `[${json.join(',')}]`
}

/** A bucket without a value has NaN, which JSON has not. */
function numberJson(value: number): string {
  return Number.isFinite(value) ? String(value) : 'null'
}
