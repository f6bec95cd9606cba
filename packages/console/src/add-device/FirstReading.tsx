import type { DeviceCreated } from '@drover/protocol'
import {
  Alert,
  Anchor,
  Button,
  Group,
  Paper,
  SegmentedControl,
  Stack,
  Tabs,
  Text,
  Title,
} from '@mantine/core'
import { IconKey } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { profileQuery, serverQuery } from '../api/queries.ts'
import { CopyBlock } from '../ui/Copy.tsx'
import {
  caCommand,
  commandsFor,
  type Endpoints,
  isLoopback,
  localEndpoints,
  networkEndpoints,
  samplePayload,
} from './commands.ts'
import { Waiting } from './Waiting.tsx'

interface FirstReadingProps {
  readonly created: DeviceCreated
  readonly onAnother: () => void
}

export function FirstReading({ created, onAnother }: FirstReadingProps) {
  const { device, token } = created
  return (
    <Stack gap="md" maw={760}>
      <Waiting deviceId={device.id} />
      <Alert icon={<IconKey size={18} />} color="orange" variant="light" title="The token is shown this once">
        <Text size="sm" mb="xs">
          It lets the device connect. Keep it where the device finds it; a lost one is replaced by a new one.
        </Text>
        <CopyBlock text={token} label="Device token" />
      </Alert>
      <HowToSend created={created} />
      <Group justify="flex-end">
        <Button variant="default" onClick={onAnother}>
          Add another device
        </Button>
      </Group>
    </Stack>
  )
}

function HowToSend({ created: { device, token } }: { created: DeviceCreated }) {
  const { data: server } = useQuery({ ...serverQuery, retry: false })
  const { data: profile } = useQuery(profileQuery(device.profile))
  const pageHost = window.location.hostname
  const [from, setFrom] = useState(isLoopback(pageHost) ? 'here' : 'network')
  const endpoints = from === 'here' ? localEndpoints(server) : networkEndpoints(server, pageHost)
  const caFile = from === 'here' ? undefined : 'ca.pem'
  const commands = commandsFor(endpoints, { device: device.id, token }, samplePayload(profile), caFile)
  return (
    <Paper withBorder p="lg">
      <Group justify="space-between" mb="md">
        <Title order={2} size="h4">
          Send a first reading
        </Title>
        <SegmentedControl
          size="xs"
          aria-label="Where the command runs"
          value={from}
          onChange={setFrom}
          data={[
            { value: 'here', label: 'On the server' },
            { value: 'network', label: 'From the network' },
          ]}
        />
      </Group>
      {caFile && (endpoints.http || endpoints.mqtt) && <Certificate endpoints={endpoints} />}
      <Tabs defaultValue="mqtt">
        <Tabs.List>
          <Tabs.Tab value="mqtt">MQTT</Tabs.Tab>
          <Tabs.Tab value="http">HTTP</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="mqtt" pt="sm">
          <Command text={commands.mqtt} label="mosquitto_pub command" listener="MQTT" />
        </Tabs.Panel>
        <Tabs.Panel value="http" pt="sm">
          <Command text={commands.http} label="curl command" listener="HTTP" />
        </Tabs.Panel>
      </Tabs>
    </Paper>
  )
}

function Command({ text, label, listener }: { text: string | undefined; label: string; listener: string }) {
  if (text) return <CopyBlock text={text} label={label} />
  return (
    <Text size="sm" c="dimmed" py="sm">
      This server does not listen to {listener} there. Start it with the listener on, or choose the other way.
    </Text>
  )
}

function Certificate({ endpoints }: { endpoints: Endpoints }) {
  return (
    <Stack gap="xs" mb="md">
      <Text size="sm" c="dimmed">
        The server signs its certificate itself, so the device has to know its authority. Fetch it once (or{' '}
        <Anchor href="/ca.pem" download="ca.pem" size="sm">
          download it here
        </Anchor>
        ):
      </Text>
      {endpoints.http && (
        <CopyBlock text={caCommand(endpoints.http)} label="Command that fetches the certificate" />
      )}
    </Stack>
  )
}
