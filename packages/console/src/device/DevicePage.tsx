import type { Device, Latest, LiveEvent } from '@drover/protocol'
import { Grid, Group, Paper, Stack, Text } from '@mantine/core'
import { type Query, useQuery, useQueryClient } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { useRef } from 'react'
import { deviceQuery, latestQuery } from '../api/queries.ts'
import { useLive } from '../api/useLive.ts'
import { isStale, seriesKey } from '../chart/refresh.ts'
import { Tags } from '../devices/DeviceTable.tsx'
import { TextLink } from '../ui/links.tsx'
import { PageFailed } from '../ui/PageFailed.tsx'
import { PageLoading } from '../ui/PageLoading.tsx'
import { PageTitle } from '../ui/PageTitle.tsx'
import { Actions } from './Actions.tsx'
import { ConnectionLine } from './ConnectionLine.tsx'
import { History } from './History.tsx'
import { LatestValues } from './LatestValues.tsx'
import { withPoints } from './latest.ts'
import { NoReading } from './NoReading.tsx'
import { RecentQuarantine } from './RecentQuarantine.tsx'
import { Tokens } from './Tokens.tsx'

export function DevicePage() {
  const { deviceId } = useParams({ from: '/signed-in/devices/$deviceId' })
  const device = useQuery(deviceQuery(deviceId))
  const latest = useQuery(latestQuery(deviceId))
  if (device.data) return <Loaded key={deviceId} device={device.data} latest={latest.data} />
  return device.error ? <PageFailed error={device.error} /> : <PageLoading />
}

function Loaded({ device, latest }: { device: Device; latest: Latest | undefined }) {
  useLiveDevice(device.id)
  const silent = latest && Object.keys(latest.metrics).length === 0
  return (
    <>
      <PageTitle
        above={<TextLink to="/devices">Devices</TextLink>}
        title={device.id}
        description={<Description device={device} />}
      >
        <Actions device={device} />
      </PageTitle>
      <Stack gap="md">
        <ConnectionLine device={device} />
        {silent ? <NoReading /> : <Readings device={device} latest={latest} />}
        <Grid gap="md">
          <Grid.Col span={{ base: 12, md: 6 }}>
            <RecentQuarantine device={device.id} />
          </Grid.Col>
          <Grid.Col span={{ base: 12, md: 6 }}>
            <Tokens device={device.id} />
          </Grid.Col>
        </Grid>
      </Stack>
    </>
  )
}

function Description({ device }: { device: Device }) {
  return (
    <Group gap="sm">
      {device.name && <Text size="sm">{device.name}</Text>}
      <Text size="sm">
        Profile{' '}
        <TextLink to="/profiles/$profileId" params={{ profileId: device.profile }} size="sm">
          {device.profile}
        </TextLink>
      </Text>
      <Tags tags={device.tags} shown={12} />
    </Group>
  )
}

function Readings({ device, latest }: { device: Device; latest: Latest | undefined }) {
  return (
    <Grid gap="md">
      <Grid.Col span={{ base: 12, md: 4, lg: 3 }}>
        <LatestValues latest={latest} />
      </Grid.Col>
      <Grid.Col span={{ base: 12, md: 8, lg: 9 }}>
        <Paper withBorder p="md" mih={440}>
          {latest && <History device={device.id} latest={latest} />}
        </Paper>
      </Grid.Col>
    </Grid>
  )
}

/** A chart that is drawn from the server's buckets is asked for again at most this often. */
const redrawMs = 1_000

/** Live events change what is shown at once; the chart and the quarantine ask again, at most once a second. */
function useLiveDevice(id: string): void {
  const queryClient = useQueryClient()
  const redraw = useThrottled(redrawMs)
  useLive({ devices: [id] }, (events) => {
    const latest = queryClient.getQueryData(latestQuery(id).queryKey)
    if (latest) queryClient.setQueryData(latestQuery(id).queryKey, withPoints(latest, events))
    for (const event of events) {
      if (event.type !== 'connection') continue
      const { connection } = event
      queryClient.setQueryData(deviceQuery(id).queryKey, (device) => device && { ...device, connection })
    }
    for (const key of staleAfter(id, latest, events))
      redraw(JSON.stringify(key), () => queryClient.invalidateQueries({ queryKey: key, predicate }))
  })
}

/** Charts of long ranges are not worth asking for again at every value. */
function predicate(query: Query): boolean {
  return query.queryKey[2] !== 'series' || isStale(query, Date.now())
}

/** What has to be asked again after these events. */
function staleAfter(
  id: string,
  latest: Latest | undefined,
  events: readonly LiveEvent[],
): readonly string[][] {
  if (events.some(({ type }) => type === 'gap')) return [['device', id], ['quarantine']]
  const points = events.flatMap((event) => (event.type === 'points' ? event.points : []))
  const metrics = [...new Set(points.map(({ metric }) => metric))]
  const stale = metrics.map((metric) => seriesKey(id, metric))
  // Its unit and type are not in the event.
  if (metrics.some((metric) => !latest?.metrics[metric])) stale.push([...latestQuery(id).queryKey])
  if (events.some(({ type }) => type === 'quarantine')) stale.push(['quarantine'])
  return stale
}

/** Runs what it is given once in `ms` at most for each name; the last within that time is not lost. */
function useThrottled(ms: number) {
  const waiting = useRef(new Map<string, { again: boolean }>())
  return function run(name: string, what: () => unknown): void {
    const known = waiting.current.get(name)
    if (known) {
      known.again = true
      return
    }
    what()
    const entry = { again: false }
    waiting.current.set(name, entry)
    setTimeout(() => {
      waiting.current.delete(name)
      if (entry.again) run(name, what)
    }, ms)
  }
}
