import type { Latest } from '@drover/protocol'
import { Title } from '@mantine/core'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { Chart } from '../chart/Chart.tsx'
import { ExportCsv } from '../chart/ExportCsv.tsx'
import type { View } from '../chart/range.ts'
import { RecentValues } from './RecentValues.tsx'
import type { DeviceSearch } from './search.ts'

const defaultRange = 'day'

/** The metric that is asked for, or else the first that can be drawn. */
export function chosenMetric({ metrics }: Latest, asked: string | undefined): string | undefined {
  if (asked !== undefined && metrics[asked]) return asked
  const names = Object.keys(metrics).sort((a, b) => a.localeCompare(b))
  const isNumber = (name: string) => ['number', 'integer'].includes(metrics[name]!.type)
  return names.find(isNumber) ?? names.find((name) => isDrawable(metrics[name])) ?? names[0]
}

function isDrawable(metric: Latest['metrics'][string] | undefined): boolean {
  return metric !== undefined && ['number', 'integer', 'boolean'].includes(metric.type)
}

/** One metric over time: as a chart, or as a list where it cannot be drawn. */
export function History({ device, latest }: { device: string; latest: Latest }) {
  const search = useSearch({ from: '/signed-in/devices/$deviceId' })
  const navigate = useNavigate({ from: '/devices/$deviceId' })
  const metric = chosenMetric(latest, search.metric)
  if (metric === undefined) return null
  const { type } = latest.metrics[metric]!
  const show = (view: View) =>
    void navigate({ search: (now) => ({ metric: now.metric, ...searchOf(view, now) }) })
  const reset = () => show({ kind: 'moving', range: search.range ?? defaultRange })
  return (
    <>
      <Title order={2} size="h4" mb="sm" style={{ overflowWrap: 'anywhere' }}>
        {metric}
      </Title>
      {isDrawable(latest.metrics[metric]) ? (
        <Chart
          device={device}
          metric={metric}
          type={type}
          view={viewOf(search)}
          onView={show}
          onReset={reset}
        >
          {(window) => <ExportCsv device={device} metric={metric} window={window} />}
        </Chart>
      ) : (
        <RecentValues device={device} metric={metric} latestTime={latest.metrics[metric]!.time} />
      )}
    </>
  )
}

function viewOf({ from, to, range = defaultRange }: DeviceSearch): View {
  return from !== undefined && to !== undefined ? { kind: 'fixed', from, to } : { kind: 'moving', range }
}

/** A part that is zoomed into keeps the range that it is a part of. */
function searchOf(view: View, now: DeviceSearch): DeviceSearch {
  if (view.kind === 'moving') return { range: view.range }
  return { range: now.range, from: view.from, to: view.to }
}
