import type { ValueType } from '@drover/protocol'
import { timeFormatter } from '../../model/time.ts'
import type { DeviceLatest } from '../../telemetry/latest.ts'
import type { ReadAnswer } from '../../telemetry/read.ts'
import type { SeriesAnswer, SeriesPoints } from '../../telemetry/series.ts'

type FormatTime = ReturnType<typeof timeFormatter>

/** Characters that are gathered as text before they become bytes. */
const pieceCharacters = 65_536

/**
 * JSON text that is added to and becomes bytes piece by piece. As one text of megabytes, which V8 keeps as the tree of
 * its additions, the garbage collector would move all of it again and again.
 */
class JsonBytes {
  #text = ''
  readonly #pieces: Buffer[] = []

  add(text: string): void {
    this.#text += text
    if (this.#text.length >= pieceCharacters) this.#cut()
  }

  end(text: string): Buffer {
    this.#text += text
    this.#cut()
    return this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces)
  }

  #cut(): void {
    this.#pieces.push(Buffer.from(this.#text))
    this.#text = ''
  }
}

/**
 * Telemetry as JSON, written straight from what the store gives: a hundred thousand points would otherwise become
 * objects first, and be checked one by one. The test beside this holds it against the schemas.
 */
export function pageJson(answer: ReadAnswer): Buffer {
  const json = new JsonBytes()
  addSeries(json, answer, timeFormatter())
  return json.end(`,"nextCursor":${JSON.stringify(answer.nextCursor)}}`)
}

export function seriesJson(answers: readonly SeriesAnswer[]): Buffer {
  const json = new JsonBytes()
  const formatTime = timeFormatter()
  let before = '{"series":['
  for (const answer of answers) {
    json.add(before)
    addSeries(json, answer, formatTime)
    before = '},'
  }
  return json.end(answers.length === 0 ? '{"series":[]}' : '}]}')
}

export function latestJson(answer: DeviceLatest): Buffer {
  return Buffer.from(deviceLatestJson(answer, timeFormatter()))
}

export function latestsJson(answers: readonly DeviceLatest[]): Buffer {
  const json = new JsonBytes()
  const formatTime = timeFormatter()
  let before = '{"items":['
  for (const answer of answers) {
    json.add(before + deviceLatestJson(answer, formatTime))
    before = ','
  }
  return json.end(answers.length === 0 ? '{"items":[]}' : ']}')
}

function deviceLatestJson({ device, metrics }: DeviceLatest, formatTime: FormatTime): string {
  let json = `{"device":${JSON.stringify(device)},"metrics":{`
  let before = ''
  for (const { metric, type, unit, latest } of metrics) {
    const { timeMicros, value, quality } = latest
    const shown = typeof value === 'number' ? value : textJson(type, value)
    const shownUnit = unit === null ? 'null' : JSON.stringify(unit)
    json +=
      `${before}${JSON.stringify(metric)}:{"time":"${formatTime(timeMicros)}","value":${shown}` +
      `,"quality":${qualities[quality]!},"type":"${type}","unit":${shownUnit}}`
    before = ','
  }
  return `${json}}}`
}

/** The series with its points; the object is left open. */
function addSeries(json: JsonBytes, answer: SeriesAnswer, formatTime: FormatTime): void {
  const { device, metric, unit, points } = answer
  json.add(`${JSON.stringify({ device, metric, unit }).slice(0, -1)},"points":[`)
  if (points.kind === 'raw') addRaw(json, points, formatTime)
  else addBuckets(json, points, formatTime)
  json.add(']')
}

const qualities = ['"good"', '"suspect"']

/** The value of a text point. Booleans, JSON and locations are stored as the JSON text that they are. */
function textJson(type: ValueType, text: string): string {
  return type === 'string' ? JSON.stringify(text) : text
}

type Raw = Extract<SeriesPoints, { kind: 'raw' }>
type Buckets = Extract<SeriesPoints, { kind: 'buckets' }>

function addRaw(json: JsonBytes, { columns, type, start, end }: Raw, formatTime: FormatTime): void {
  const { timeMicros, value, text, quality } = columns
  const isText = value.length === 0
  let before = ''
  for (let at = start; at < end; at++) {
    const shown = isText ? textJson(type, text[at]!) : value[at]!
    const time = formatTime(timeMicros[at]!)
    json.add(`${before}{"time":"${time}","value":${shown},"quality":${qualities[quality[at]!]!}}`)
    before = ','
  }
}

function addBuckets(
  json: JsonBytes,
  { columns, functions, start, end }: Buckets,
  formatTime: FormatTime,
): void {
  const { timeMicros, good, suspect } = columns
  const named = functions.map((name) => ({ label: `,"${name}":`, column: columns.columns[name]! }))
  let before = '{"time":"'
  for (let at = start; at < end; at++) {
    let bucket = `${before}${formatTime(timeMicros[at]!)}"`
    for (const { label, column } of named) bucket += label + numberJson(column[at]!)
    json.add(`${bucket},"good":${good[at]},"suspect":${suspect[at]}}`)
    before = ',{"time":"'
  }
}

/** A bucket without a value has NaN, which JSON has not. */
function numberJson(value: number): string {
  return Number.isFinite(value) ? String(value) : 'null'
}
