import 'uplot/dist/uPlot.min.css'
import { useComputedColorScheme } from '@mantine/core'
import { useElementSize } from '@mantine/hooks'
import { useEffect, useEffectEvent, useRef } from 'react'
import UPlot from 'uplot'
import classes from './Chart.module.css'
import { columnsOf } from './columns.ts'
import { plotOptions } from './plotOptions.ts'
import type { TimeWindow } from './range.ts'
import type { Series } from './series.ts'

export const plotHeight = 320

interface PlotProps {
  readonly series: Series
  readonly label: string
  /** A part was dragged over. */
  readonly onSelect: (window: TimeWindow) => void
  /** Asked for by a double click. */
  readonly onReset: () => void
  /** The time under the pointer in milliseconds, or undefined when it left. */
  readonly onPointer: (time: number | undefined) => void
}

/** The drawing itself: one line, or an average in its band of smallest to largest. */
export function Plot({ series, label, ...events }: PlotProps) {
  const { ref: box, width } = useElementSize<HTMLDivElement>()
  const target = useRef<HTMLDivElement>(null)
  const plot = useRef<UPlot>(undefined)
  const scheme = useComputedColorScheme('light')
  const onSelect = useEffectEvent(events.onSelect)
  const onReset = useEffectEvent(events.onReset)
  const onPointer = useEffectEvent(events.onPointer)
  const current = useEffectEvent(() => series)
  const style = series.boolean ? 'steps' : series.width ? 'band' : 'line'
  const drawable = width > 0

  useEffect(() => {
    if (!drawable) return
    const options = plotOptions({
      scheme,
      style,
      onSelect: (window) => onSelect(window),
      onReset: () => onReset(),
      onPointer: (time) => onPointer(time),
    })
    const drawn = new UPlot(
      { ...options, width: 300, height: plotHeight },
      columnsOf(current()),
      target.current!,
    )
    plot.current = drawn
    return () => drawn.destroy()
  }, [scheme, style, drawable])

  // Runs after the effect above, so that a plot just made has its size and window too.
  useEffect(() => {
    if (!drawable || (scheme !== 'light' && scheme !== 'dark')) return
    plot.current?.batch(() => {
      plot.current?.setSize({ width, height: plotHeight })
      plot.current?.setData(columnsOf(series), false)
      plot.current?.setScale('x', { min: series.window.from, max: series.window.to })
    })
  }, [series, width, drawable, scheme])

  return (
    <div ref={box} className={classes.plot} style={{ height: plotHeight }} role="img" aria-label={label}>
      <div ref={target} className={classes.canvas} />
    </div>
  )
}
