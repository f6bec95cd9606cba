import type { Connection, DeviceState } from '@drover/protocol'
import { Box, Group, Text } from '@mantine/core'
import classes from './StateBadge.module.css'

const looks = {
  online: { color: 'var(--mantine-color-green-6)', label: 'Online' },
  offline: { color: 'var(--mantine-color-gray-5)', label: 'Offline' },
  stateless: { color: 'var(--mantine-color-blue-5)', label: 'HTTP' },
  new: { color: 'transparent', label: 'Never seen' },
  suspended: { color: 'var(--mantine-color-orange-6)', label: 'Suspended' },
} as const

/** A device that sends but never connected does so by single requests. */
function lookOf(state: DeviceState, { online, since, lastSeen }: Connection): keyof typeof looks {
  if (state === 'suspended') return 'suspended'
  if (online) return 'online'
  if (lastSeen === null) return 'new'
  return since === null ? 'stateless' : 'offline'
}

interface StateBadgeProps {
  readonly state: DeviceState
  readonly connection: Connection
}

/** Whether the device is connected, as a dot and a word. */
export function StateBadge({ state, connection }: StateBadgeProps) {
  const { color, label } = looks[lookOf(state, connection)]
  return (
    <Group gap={8} wrap="nowrap" component="span">
      <Box component="span" className={classes.dot} style={{ background: color }} aria-hidden="true" />
      <Text size="sm" span>
        {label}
      </Text>
    </Group>
  )
}
