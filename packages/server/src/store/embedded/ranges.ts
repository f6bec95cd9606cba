/** As DuckDB orders texts: by their bytes in UTF-8. */
export function compareTexts(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other))
}

/** Order of the rows in a segment, before time. */
export function compareKeys(
  one: { readonly metric: string; readonly series: number },
  other: { readonly metric: string; readonly series: number },
): number {
  return compareTexts(one.metric, other.metric) || one.series - other.series
}
