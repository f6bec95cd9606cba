import { DroverError, limits } from '@drover/protocol'
import { parseIntervalMicros, requireTimeMicros } from '../model/time.ts'
import type { StoreReader } from '../store/store.ts'

export interface RangeInput {
  readonly from?: string | number
  readonly to?: string | number
  readonly every?: string
  readonly maxPoints?: number
}

/** µs since 1970; `from` is included, `to` is not; undefined where the query leaves it open. */
export interface OpenRange {
  readonly fromMicros: number | undefined
  readonly toMicros: number | undefined
}

export interface Range {
  readonly fromMicros: number
  readonly toMicros: number
}

/** Throws `badRequest` when a time cannot be read or the range is empty. */
export function parseRange({ from, to }: Pick<RangeInput, 'from' | 'to'>): OpenRange {
  const fromMicros = from === undefined ? undefined : requireTimeMicros('from', from)
  const toMicros = to === undefined ? undefined : requireTimeMicros('to', to)
  if (fromMicros !== undefined && toMicros !== undefined && fromMicros >= toMicros)
    throw new DroverError('badRequest', { reason: 'from has to be before to' })
  return { fromMicros, toMicros }
}

/**
 * Throws what is wrong with the question itself, and `queryTooLarge` for more buckets than any series may have: the same
 * question is answered the same way whatever the devices hold.
 */
export function checkRange(input: RangeInput): void {
  const { fromMicros, toMicros } = parseRange(input)
  if (input.every === undefined) return
  parseIntervalMicros('every', input.every)
  if (fromMicros !== undefined && toMicros !== undefined) bucketWidthMicros(input, { fromMicros, toMicros })
}

/** The times that points can have: from 1970 on. */
export function everything({ fromMicros, toMicros }: OpenRange): Range {
  return {
    fromMicros: Math.max(0, fromMicros ?? 0),
    toMicros: Math.min(Number.MAX_SAFE_INTEGER, toMicros ?? Number.MAX_SAFE_INTEGER),
  }
}

/** The range with its open ends at the first and after the last point; undefined when no point is in it. */
export async function closedRange(
  reader: StoreReader,
  seriesIds: readonly number[],
  { fromMicros, toMicros }: OpenRange,
): Promise<Range | undefined> {
  if (fromMicros !== undefined && toMicros !== undefined) return { fromMicros, toMicros }
  const extent = await reader.extent(seriesIds)
  if (!extent) return undefined
  const range = { fromMicros: fromMicros ?? extent.fromMicros, toMicros: toMicros ?? extent.toMicros + 1 }
  return range.fromMicros < range.toMicros ? range : undefined
}

/**
 * The width of the buckets: `every`, or the smallest multiple of it that gives at most `maxPoints` buckets. Throws
 * `queryTooLarge` when a series would have more than `bucketsMax`.
 */
export function bucketWidthMicros({ every, maxPoints }: RangeInput, range: Range): number {
  const everyMicros = parseIntervalMicros('every', every!)
  const bucketsIn = (width: number) =>
    Math.ceil(range.toMicros / width) - Math.floor(range.fromMicros / width)
  let width = everyMicros
  if (maxPoints !== undefined) {
    width *= Math.max(1, Math.floor(bucketsIn(everyMicros) / maxPoints))
    while (bucketsIn(width) > maxPoints) width += everyMicros
  }
  if (bucketsIn(width) > limits.bucketsMax)
    throw new DroverError('queryTooLarge', { limit: limits.bucketsMax, unit: 'buckets' })
  return width
}
