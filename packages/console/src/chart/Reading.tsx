import { Group, Text } from '@mantine/core'
import { formatNumber, formatUnit } from '../device/values.ts'
import { formatTime } from '../ui/time.tsx'
import { nearest } from './columns.ts'
import type { DrawnPoint, Series } from './series.ts'

interface ReadingProps {
  readonly series: Series | undefined
  /** The time under the pointer; the newest point is read without one. */
  readonly pointer: number | undefined
}

/** The value under the pointer, or the newest, in words. */
export function Reading({ series, pointer }: ReadingProps) {
  if (!series) return <span />
  const point = pointer === undefined ? series.points.at(-1) : nearest(series.points, pointer)
  if (!point || point.value === null) return <span />
  const unit = formatUnit(series.unit)
  const format = (value: number) =>
    series.boolean ? String(value === 1) : `${formatNumber(value)} ${unit}`.trim()
  return (
    <Group gap="md" className="numbers">
      <Text size="sm" fw={600}>
        {series.width ? `avg ${format(point.value)}` : format(point.value)}
      </Text>
      {series.width && point.min !== null && point.max !== null && (
        <Text size="sm" c="dimmed">
          {format(point.min)} to {format(point.max)}
        </Text>
      )}
      <Text size="sm" c="dimmed">
        {formatTime(point.start)}
        {series.width && ` · ${describeCount(point, series.width.every)}`}
      </Text>
      {series.cut && (
        <Text size="sm" c="dimmed">
          only the newest values of this range are drawn
        </Text>
      )}
      {point.suspect > 0 && (
        <Text size="sm" c="orange">
          {series.width ? `${point.suspect} suspect` : 'suspect: it changed faster than is credible'}
        </Text>
      )}
    </Group>
  )
}

function describeCount({ count }: DrawnPoint, every: string): string {
  return `${count} value${count === 1 ? '' : 's'} in ${every}`
}
