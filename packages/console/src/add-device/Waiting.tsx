import type { JsonValue, LiveEvent, QuarantineReason } from '@drover/protocol'
import { quarantineReasons } from '@drover/protocol'
import { Group, Loader, Paper, Text, ThemeIcon } from '@mantine/core'
import { IconAlertTriangle, IconCheck } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { latestQuery } from '../api/queries.ts'
import { useLive } from '../api/useLive.ts'
import { formatValue } from '../device/values.ts'
import { ButtonLink } from '../ui/links.tsx'

/** Should the live feed be away, the first reading is found by asking. */
const askMs = 3_000

interface Arrived {
  readonly metric: string
  readonly value: JsonValue
}

/** Waits for the device's first reading, and says what came: a value, or one that had to go to quarantine. */
export function Waiting({ deviceId }: { deviceId: string }) {
  const { arrived, refused, connected } = useFirstReading(deviceId)
  if (arrived) return <HasArrived deviceId={deviceId} arrived={arrived} />
  if (refused) return <WasRefused deviceId={deviceId} reason={refused} />
  return (
    <Outcome
      icon={<Loader size={26} />}
      title="Waiting for the first reading…"
      text={
        connected ? 'The device is connected. This page changes by itself.' : 'This page changes by itself.'
      }
    />
  )
}

function useFirstReading(deviceId: string) {
  const [events, setEvents] = useState<{
    arrived?: Arrived
    refused?: QuarantineReason
    connected?: boolean
  }>({})
  const queryClient = useQueryClient()
  useLive({ devices: [deviceId] }, (came) => {
    setEvents((now) => Object.assign({}, now, ...came.map(learn)))
    void queryClient.invalidateQueries(latestQuery(deviceId))
  })
  const { data } = useQuery({
    ...latestQuery(deviceId),
    refetchInterval: events.arrived ? false : askMs,
  })
  const first = Object.entries(data?.metrics ?? {})[0]
  const asked = first && { metric: first[0], value: first[1].value }
  return { ...events, arrived: events.arrived ?? asked }
}

function learn(event: LiveEvent) {
  if (event.type === 'points' && event.points[0]) return { arrived: event.points[0] }
  if (event.type === 'quarantine') return { refused: event.reason }
  if (event.type === 'connection') return { connected: event.connection.online }
  return {}
}

function HasArrived({ deviceId, arrived }: { deviceId: string; arrived: Arrived }) {
  return (
    <Outcome
      icon={
        <ThemeIcon size={30} radius="xl" color="green">
          <IconCheck size={18} />
        </ThemeIcon>
      }
      title="It is live"
      text={`${arrived.metric} = ${formatValue(arrived.value)}`}
    >
      <ButtonLink to="/devices/$deviceId" params={{ deviceId }}>
        Open {deviceId}
      </ButtonLink>
    </Outcome>
  )
}

function WasRefused({ deviceId, reason }: { deviceId: string; reason: QuarantineReason }) {
  return (
    <Outcome
      icon={
        <ThemeIcon size={30} radius="xl" color="orange">
          <IconAlertTriangle size={18} />
        </ThemeIcon>
      }
      title="A message came, but is in quarantine"
      text={`${quarantineReasons[reason]} Mend it and send again.`}
    >
      <ButtonLink to="/quarantine" search={{ device: deviceId }} variant="default">
        See why
      </ButtonLink>
    </Outcome>
  )
}

interface OutcomeProps {
  readonly icon: ReactNode
  readonly title: string
  readonly text: string
  readonly children?: ReactNode
}

function Outcome({ icon, title, text, children }: OutcomeProps) {
  return (
    <Paper withBorder p="lg" role="status" aria-live="polite">
      <Group justify="space-between" gap="md" mih={44}>
        <Group gap="md" wrap="nowrap">
          {icon}
          <div>
            <Text fw={600}>{title}</Text>
            <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
              {text}
            </Text>
          </div>
        </Group>
        {children}
      </Group>
    </Paper>
  )
}
