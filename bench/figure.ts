/** One row of the table: what was measured, its target, and whether it is met. */
export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** In words, as the table shows it; empty where there is none. */
  readonly target: string
  readonly met: boolean | null
  readonly details?: Readonly<Record<string, number | string>>
}

/** A figure with a bound that it is held against. */
const bounded =
  (sign: string, isMet: (value: number, bound: number) => boolean) =>
  (name: string, value: number, unit: string, bound: number, more: Partial<Figure> = {}): Figure => ({
    name,
    value,
    unit,
    target: `${sign} ${format(bound)} ${unit}`,
    met: isMet(value, bound),
    ...more,
  })

export const atLeast = bounded('≥', (value, bound) => value >= bound)
export const under = bounded('<', (value, bound) => value < bound)

export function format(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(3)))
}

export function table(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, value, unit, target, met, details }) => {
    const more = Object.entries(details ?? {}).map(
      ([key, detail]) => `${key} ${typeof detail === 'number' ? format(detail) : detail}`,
    )
    return `| ${name} | ${format(value)} ${unit} | ${target} | ${met === null ? '' : met ? 'yes' : 'no'} | ${more.join(', ')} |`
  })
  return ['| | measured | target | met | |', '|---|---|---|---|---|', ...rows].join('\n')
}
