import type { Page } from '@drover/protocol'

/** A page of `limit` items at most, made of one item more than that if there are more. */
export function pageOf<Row, Item>(
  rows: readonly Row[],
  limit: number,
  item: (row: Row) => Item,
  cursor: (last: Row) => string,
): Page<Item> {
  const items = rows.slice(0, limit).map(item)
  return { items, nextCursor: rows.length > limit ? cursor(rows[limit - 1]!) : null }
}
