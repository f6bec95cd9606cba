import type { Device } from '@drover/protocol'
import { Group, Paper, Text } from '@mantine/core'
import { StateBadge } from '../devices/StateBadge.tsx'
import { Ago } from '../ui/time.tsx'

const reasons: Readonly<Record<string, string>> = {
  disconnected: 'it signed off',
  connectionLost: 'the connection broke',
  keepAliveTimeout: 'it fell silent past its keep alive',
  tokenRevoked: 'its token was revoked',
  deviceDeleted: 'the device was deleted',
  suspended: 'the device was suspended',
  serverStopped: 'the server was stopped',
  takenOver: 'another connection took over',
}

/** A reason that this console does not know yet, in words: `someNewReason` becomes `some new reason`. */
function reasonWords(reason: string): string {
  return reasons[reason] ?? reason.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`)
}

/** Whether the device is connected, since when, and if not, why not. */
export function ConnectionLine({ device: { state, connection } }: { device: Device }) {
  const { since, lastSeen, reason, sessions } = connection
  return (
    <Paper withBorder px="md" py="sm">
      <Group gap="lg" mih={24}>
        <StateBadge state={state} connection={connection} />
        {since && (
          <Group gap={6}>
            <Text size="sm" c="dimmed">
              since
            </Text>
            <Ago time={since} size="sm" />
          </Group>
        )}
        {reason && (
          <Text size="sm" c="dimmed">
            because {reasonWords(reason)}
          </Text>
        )}
        <Group gap={6}>
          <Text size="sm" c="dimmed">
            Last seen
          </Text>
          <Ago time={lastSeen} size="sm" />
        </Group>
        {sessions > 1 && (
          <Text size="sm" c="dimmed">
            {sessions} sessions
          </Text>
        )}
      </Group>
    </Paper>
  )
}
