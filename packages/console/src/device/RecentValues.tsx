import type { Point } from '@drover/protocol'
import { Group, ScrollArea, Table, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { client } from '../api/client.ts'
import { ExportCsv } from '../chart/ExportCsv.tsx'
import { seriesKey } from '../chart/refresh.ts'
import { formatTime } from '../ui/time.tsx'
import { formatValue } from './values.ts'

const day = 86_400_000
const shownMax = 1_000

interface RecentValuesProps {
  readonly device: string
  readonly metric: string
  readonly latestTime: string
}

/** What cannot be drawn, such as text, as a list: the day up to the newest value, newest first. */
export function RecentValues({ device, metric, latestTime }: RecentValuesProps) {
  const to = Date.parse(latestTime)
  const window = { from: to - day, to }
  const { data, error } = useQuery({
    queryKey: [...seriesKey(device, metric), 'list'],
    queryFn: ({ signal }) => {
      const newest = { metric, from: window.from, to: to + 1, limit: shownMax, order: 'desc' } as const
      return client.devices.telemetry(device, newest, signal)
    },
  })
  const points = (data?.points ?? []) as Point[]
  return (
    <>
      <Group justify="space-between" mb="xs">
        <Text size="sm" c="dimmed">
          {error?.message ??
            `The day up to the newest value${data?.nextCursor ? `, its newest ${shownMax}` : ''}`}
        </Text>
        <ExportCsv device={device} metric={metric} window={window} />
      </Group>
      <ScrollArea h={340}>
        <Table>
          <Table.Tbody>
            {points.map((point) => (
              <Table.Tr key={point.time}>
                <Table.Td w={220}>
                  <Text size="sm" c="dimmed" className="numbers">
                    {formatTime(point.time)}
                  </Text>
                </Table.Td>
                <Table.Td>
                  <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
                    {formatValue(point.value)}
                  </Text>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </ScrollArea>
    </>
  )
}
