import { timeFormatter } from '../../model/time.ts'
import type { ReadAnswer } from '../../telemetry/read.ts'
import type { SeriesAnswer, SeriesPoints } from '../../telemetry/series.ts'

/**
 * Telemetry as JSON text, written straight from the columns: a hundred thousand points would otherwise become objects
 * first, and be checked one by one.
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

function pointsJson(points: SeriesPoints): string {
  return points.kind === 'raw' ? rawJson(points) : bucketsJson(points)
}

const qualityEnds = [',"quality":"good"}', ',"quality":"suspect"}']

function rawJson({ columns, type, start, end }: Extract<SeriesPoints, { kind: 'raw' }>): string {
  const { timeMicros, value, text, quality } = columns
  const isString = type === 'string'
  const isText = value.length === 0
  const formatTime = timeFormatter()
  const json = Array<string>(end - start)
  for (let at = start; at < end; at++) {
    // Booleans, JSON and locations are stored as the JSON text that they are.
    const shown = isText ? (isString ? JSON.stringify(text[at]) : text[at]!) : value[at]!
    json[at - start] = `{"time":"${formatTime(timeMicros[at]!)}","value":${shown}${qualityEnds[quality[at]!]}`
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
