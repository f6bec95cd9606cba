import type { QualityCode } from '../store/points.ts'
import type { LatestValue, Series, SeriesState } from '../store/store.ts'

/**
 * Series on their way between threads: a structured clone of ten thousand objects takes longer than the query, a few
 * columns cross at once. What most series share, their kind, is told once.
 */
interface SeriesColumns {
  readonly kinds: readonly SeriesKind[]
  readonly id: Int32Array
  readonly tenant: Int32Array
  readonly deviceUid: Float64Array
  /** Indexes of `kinds`. */
  readonly kind: Int32Array
}
type SeriesKind = Pick<Series, 'metric' | 'type' | 'unit'>

interface StateColumns extends SeriesColumns {
  /** NaN where the series has no point. */
  readonly timeMicros: Float64Array
  /** Of points that are numbers. */
  readonly value: Float64Array
  readonly quality: Uint8Array
  /** The rows whose points are texts, in ascending order, and those texts. */
  readonly textRow: Int32Array
  readonly text: readonly string[]
}

export function packSeries(series: readonly Series[]): SeriesColumns {
  const { length } = series
  const kinds = new Kinds()
  const id = new Int32Array(length)
  const tenant = new Int32Array(length)
  const deviceUid = new Float64Array(length)
  const kind = new Int32Array(length)
  for (let at = 0; at < length; at++) {
    const one = series[at]!
    id[at] = one.id
    tenant[at] = one.tenant
    deviceUid[at] = one.deviceUid
    kind[at] = kinds.indexOf(one)
  }
  return { kinds: kinds.all, id, tenant, deviceUid, kind }
}

export function unpackSeries({ kinds, id, tenant, deviceUid, kind }: SeriesColumns): Series[] {
  const series = Array<Series>(id.length)
  for (let at = 0; at < id.length; at++) {
    const { metric, type, unit } = kinds[kind[at]!]!
    series[at] = { id: id[at]!, tenant: tenant[at]!, deviceUid: deviceUid[at]!, metric, type, unit }
  }
  return series
}

export function packStates(states: readonly SeriesState[]): StateColumns {
  const { length } = states
  const timeMicros = new Float64Array(length).fill(Number.NaN)
  const value = new Float64Array(length)
  const quality = new Uint8Array(length)
  const textRow: number[] = []
  const text: string[] = []
  for (let at = 0; at < length; at++) {
    const { latest } = states[at]!
    if (!latest) continue
    timeMicros[at] = latest.timeMicros
    quality[at] = latest.quality
    if (typeof latest.value === 'number') value[at] = latest.value
    else {
      textRow.push(at)
      text.push(latest.value)
    }
  }
  return { ...packSeries(states), timeMicros, value, quality, textRow: Int32Array.from(textRow), text }
}

export function unpackStates(columns: StateColumns): SeriesState[] {
  const { kinds, id, tenant, deviceUid, kind, timeMicros, value, quality, textRow, text } = columns
  const states = Array<SeriesState>(id.length)
  let nextText = 0
  for (let at = 0; at < id.length; at++) {
    const { metric, type, unit } = kinds[kind[at]!]!
    let latest: LatestValue | undefined
    if (!Number.isNaN(timeMicros[at]!)) {
      const shown = textRow[nextText] === at ? text[nextText++]! : value[at]!
      latest = { timeMicros: timeMicros[at]!, value: shown, quality: quality[at]! as QualityCode }
    }
    states[at] = { id: id[at]!, tenant: tenant[at]!, deviceUid: deviceUid[at]!, metric, type, unit, latest }
  }
  return states
}

class Kinds {
  readonly all: SeriesKind[] = []
  /** Indexes of `all`; nearly always one for a metric. */
  readonly #ofMetric = new Map<string, number[]>()

  indexOf({ metric, type, unit }: SeriesKind): number {
    const known = this.#ofMetric.get(metric)
    for (const at of known ?? []) {
      const kind = this.all[at]!
      if (kind.type === type && kind.unit === unit) return at
    }
    const added = this.all.push({ metric, type, unit }) - 1
    if (known) known.push(added)
    else this.#ofMetric.set(metric, [added])
    return added
  }
}
