const day = 86_400_000

interface Detail {
  /** Holds for steps of at least so many milliseconds. */
  readonly stepMs: number
  readonly label: Intl.DateTimeFormatOptions
  /** The second line, written where it changes. */
  readonly below?: Intl.DateTimeFormatOptions
}

const time = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const
const date = { day: 'numeric', month: 'short' } as const

const details: readonly Detail[] = [
  { stepMs: 360 * day, label: { year: 'numeric' } },
  { stepMs: 27 * day, label: { month: 'short' }, below: { year: 'numeric' } },
  { stepMs: day, label: date, below: { year: 'numeric' } },
  { stepMs: 60_000, label: time, below: date },
  { stepMs: 1_000, label: { ...time, second: '2-digit' }, below: date },
  { stepMs: 0, label: { ...time, second: '2-digit', fractionalSecondDigits: 3 }, below: date },
]

/** Labels of the axis at these times (ms), in the reader's time zone, as fine as the step asks for. */
export function axisLabels(times: readonly number[], stepMs: number, locale?: string): string[] {
  const { label, below } = details.find((detail) => stepMs >= detail.stepMs)!
  const upper = new Intl.DateTimeFormat(locale, label)
  const lower = below && new Intl.DateTimeFormat(locale, below)
  let last = ''
  return times.map((at) => {
    const under = lower?.format(at) ?? ''
    const changed = under !== last
    last = under
    return changed ? `${upper.format(at)}\n${under}` : upper.format(at)
  })
}
