import UPlot from 'uplot'
import { formatNumber } from '../device/values.ts'
import type { TimeWindow } from './range.ts'
import { axisLabels } from './timeAxis.ts'

interface PlotBehaviour {
  readonly scheme: 'light' | 'dark'
  /** Each value; averages in a band of smallest to largest; or true and false. */
  readonly style: 'line' | 'band' | 'steps'
  readonly onSelect: (window: TimeWindow) => void
  readonly onReset: () => void
  readonly onPointer: (time: number | undefined) => void
}

const colours = {
  light: {
    line: '#03806b',
    band: '#03806b2b',
    grid: '#0000000f',
    text: '#5c6670',
    suspect: '#e8590c',
    paper: '#fff',
  },
  dark: {
    line: '#4fb4a0',
    band: '#4fb4a033',
    grid: '#ffffff14',
    text: '#a3adb5',
    suspect: '#ff922b',
    paper: '#242424',
  },
} as const

const font = '12px system-ui, sans-serif'
/** A shorter drag was a click. */
const dragPixelsMin = 6
const emptyRange: [number, number] = [0, 1]
const stepsRange: [number, number] = [-0.25, 1.25]

/** Everything but size and data. Series: 1 value, 2 smallest, 3 largest, 4 suspect. */
export function plotOptions({
  scheme,
  style,
  ...on
}: PlotBehaviour): Omit<UPlot.Options, 'width' | 'height'> {
  const colour = colours[scheme]
  const edge: UPlot.Series = {
    stroke: 'transparent',
    width: 0,
    show: style === 'band',
    points: { show: false },
  }
  return {
    ms: 1,
    pxAlign: 0,
    padding: [12, 12, 0, 0],
    legend: { show: false },
    scales: { x: { time: true }, y: { range: style === 'steps' ? stepsRange : verticalRange } },
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false, dist: dragPixelsMin },
      points: { size: 9, fill: colour.line, stroke: colour.paper, width: 2 },
      bind: {
        dblclick: () => () => {
          on.onReset()
          return null
        },
      },
    },
    bands: style === 'band' ? [{ series: [3, 2], fill: colour.band }] : [],
    series: [
      {},
      {
        stroke: colour.line,
        width: 1.75,
        points: { size: 5, fill: colour.line },
        paths: style === 'steps' ? UPlot.paths.stepped!({ align: 1 }) : undefined,
      },
      edge,
      edge,
      { stroke: 'transparent', paths: () => null, points: suspectMarks(colour) },
    ],
    axes: axes(colour, style),
    hooks: {
      setSelect: [(plot) => select(plot, on.onSelect)],
      setCursor: [({ cursor, posToVal }) => on.onPointer(pointerTime(cursor, posToVal))],
    },
  }
}

function suspectMarks(colour: { suspect: string; paper: string }): UPlot.Series.Points {
  return { show: true, size: 9, width: 2, fill: colour.suspect, stroke: colour.paper }
}

function verticalRange(_: UPlot, min: number | null, max: number | null): [number, number] {
  if (min === null || max === null) return emptyRange
  if (min === max) return [min - Math.max(1, Math.abs(min) * 0.1), max + Math.max(1, Math.abs(max) * 0.1)]
  const air = (max - min) * 0.08
  return [min - air, max + air]
}

function axes(colour: { grid: string; text: string }, style: PlotBehaviour['style']): UPlot.Axis[] {
  const shared = {
    stroke: colour.text,
    font,
    grid: { stroke: colour.grid, width: 1 },
    ticks: { show: false },
  }
  return [
    {
      ...shared,
      space: 72,
      size: 44,
      values: (_plot, splits, _axis, _space, step) => axisLabels(splits, step),
    },
    {
      ...shared,
      size: (_plot, labels) => 18 + 7 * Math.max(2, ...(labels ?? []).map((label) => label.length)),
      ...(style === 'steps' ? { splits: () => [0, 1] } : {}),
      values: (_plot, splits) =>
        splits.map(style === 'steps' ? (split) => String(split === 1) : formatNumber),
    },
  ]
}

function select(plot: UPlot, onSelect: (window: TimeWindow) => void): void {
  const { left, width } = plot.select
  if (width < dragPixelsMin) return
  onSelect({ from: Math.floor(plot.posToVal(left, 'x')), to: Math.ceil(plot.posToVal(left + width, 'x')) })
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
}

function pointerTime({ left }: UPlot.Cursor, posToVal: UPlot['posToVal']): number | undefined {
  return left === undefined || left < 0 ? undefined : posToVal(left, 'x')
}
