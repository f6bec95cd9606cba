import { Paper } from '@mantine/core'
import { IconAntenna } from '@tabler/icons-react'
import { EmptyState } from '../ui/EmptyState.tsx'

export function NoReading() {
  return (
    <Paper withBorder>
      <EmptyState title="No reading yet" icon={<IconAntenna size={36} stroke={1.4} />}>
        This page turns live with the first one. The device connects with its token, by MQTT to the topic
        me/telemetry or by HTTP. If the token is lost, create a new one below; if messages came and are
        missing, look at the quarantine.
      </EmptyState>
    </Paper>
  )
}
