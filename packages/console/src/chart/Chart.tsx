import type { ValueType } from '@drover/protocol'
import { ActionIcon, Button, Group, Loader, SegmentedControl, Text, Tooltip } from '@mantine/core'
import {
  IconChevronLeft,
  IconChevronRight,
  IconZoomIn,
  IconZoomOut,
  IconZoomReset,
} from '@tabler/icons-react'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { client } from '../api/client.ts'
import { formatUnit } from '../device/values.ts'
import classes from './Chart.module.css'
import { Plot, plotHeight } from './Plot.tsx'
import { Reading } from './Reading.tsx'
import { adjusted, isRangeName, type RangeName, rangeNames, type TimeWindow, type View } from './range.ts'
import { pollMs, seriesKey } from './refresh.ts'
import { isMissing, loadSeries, type Series } from './series.ts'

const bucketsMax = 600

interface ChartProps {
  readonly device: string
  readonly metric: string
  readonly type: ValueType
  readonly view: View
  readonly onView: (view: View) => void
  /** Back to the range before a part was zoomed into. */
  readonly onReset: () => void
  /** Further buttons beside the ranges, given the window that is drawn. */
  readonly children?: (window: TimeWindow | undefined) => ReactNode
}

/** One metric over time, at the resolution that fits, with ranges, zoom and the reading under the pointer. */
export function Chart({ device, metric, type, view, onView, onReset, children }: ChartProps) {
  const boolean = type === 'boolean'
  const { data, error, isFetching, isPlaceholderData } = useQuery({
    queryKey: [...seriesKey(device, metric), boolean, view],
    queryFn: ({ signal }) => loadSeries(client, { device, metric, boolean, view, bucketsMax, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: (query) => pollMs(view, query.state.data),
    gcTime: 30_000,
  })
  const [pointer, setPointer] = useState<number>()
  const zoom = (window: TimeWindow) => onView({ kind: 'fixed', ...window })
  const failed = error && !isMissing(error) ? error : undefined
  return (
    <div>
      <Toolbar view={view} window={data?.window} onView={onView} onReset={onReset}>
        {children?.(data?.window)}
      </Toolbar>
      <Group justify="space-between" className={classes.reading} wrap="nowrap">
        <Reading series={data} pointer={pointer} />
        {isFetching && isPlaceholderData && <Loader size={14} aria-label="Loading" />}
      </Group>
      <div className={classes.stage} style={{ minHeight: plotHeight }}>
        {data && (
          <Plot
            series={data}
            label={describe(metric, data)}
            onSelect={zoom}
            onReset={onReset}
            onPointer={setPointer}
          />
        )}
        <Overlay failed={failed} series={data} loading={isFetching && !data} onView={onView} />
      </div>
    </div>
  )
}

function describe(metric: string, { points, unit, width, boolean }: Series): string {
  if (boolean) return `Chart of ${metric}: ${points.length} values that are true or false`
  const values = points.flatMap(({ min, max }) => (min === null || max === null ? [] : [min, max]))
  const what = width ? `${points.length} averages over ${width.every}` : `${points.length} values`
  const bounds =
    values.length > 0 ? `, from ${Math.min(...values)} to ${Math.max(...values)} ${formatUnit(unit)}` : ''
  return `Chart of ${metric}: ${what}${bounds}`
}

interface ToolbarProps {
  readonly view: View
  readonly window: TimeWindow | undefined
  readonly onView: (view: View) => void
  readonly onReset: () => void
  readonly children?: ReactNode
}

function Toolbar({ view, window, onView, onReset, children }: ToolbarProps) {
  return (
    <Group justify="space-between" gap="xs" mb="xs">
      <SegmentedControl
        size="xs"
        aria-label="Range"
        value={view.kind === 'moving' ? view.range : 'none'}
        onChange={(range) => isRangeName(range) && onView({ kind: 'moving', range })}
        data={rangeNames.map((value) => ({ value, label: rangeLabels[value] }))}
      />
      <Group gap={4}>
        <Steps view={view} window={window} onView={onView} onReset={onReset} />
        {children}
      </Group>
    </Group>
  )
}

const rangeLabels: Readonly<Record<RangeName, string>> = {
  hour: 'Hour',
  day: 'Day',
  week: 'Week',
  month: 'Month',
  year: 'Year',
  all: 'All',
}

const steps = [
  { label: 'Earlier', icon: IconChevronLeft, by: { move: -0.5 } },
  { label: 'Zoom in', icon: IconZoomIn, by: { zoom: 0.5 } },
  { label: 'Zoom out', icon: IconZoomOut, by: { zoom: 2 } },
  { label: 'Later', icon: IconChevronRight, by: { move: 0.5 } },
] as const

/** What dragging does, for the keyboard. */
function Steps({ view, window, onView, onReset }: ToolbarProps) {
  return (
    <>
      {steps.map(({ label, icon: Icon, by }) => (
        <Tooltip key={label} label={label}>
          <ActionIcon
            variant="default"
            aria-label={label}
            disabled={!window}
            onClick={() => window && onView({ kind: 'fixed', ...adjusted(window, by) })}
          >
            <Icon size={16} />
          </ActionIcon>
        </Tooltip>
      ))}
      <Tooltip label="Reset zoom">
        <ActionIcon
          variant="default"
          aria-label="Reset zoom"
          disabled={view.kind === 'moving'}
          onClick={onReset}
        >
          <IconZoomReset size={16} />
        </ActionIcon>
      </Tooltip>
    </>
  )
}

interface OverlayProps {
  readonly failed: Error | undefined
  readonly series: Series | undefined
  readonly loading: boolean
  readonly onView: (view: View) => void
}

function Overlay({ failed, series, loading, onView }: OverlayProps) {
  if (loading)
    return (
      <div className={classes.overlay}>
        <Loader size="sm" aria-label="Loading" />
      </div>
    )
  if (failed && !series)
    return (
      <div className={classes.overlay}>
        <Text size="sm" c="red">
          {failed.message}
        </Text>
      </div>
    )
  if (series && series.points.length > 0) return null
  return (
    <div className={classes.overlay}>
      <div>
        <Text size="sm" c="dimmed" mb="xs">
          No values in this range
        </Text>
        <Button size="xs" variant="light" onClick={() => onView({ kind: 'moving', range: 'all' })}>
          Show all there is
        </Button>
      </div>
    </div>
  )
}
