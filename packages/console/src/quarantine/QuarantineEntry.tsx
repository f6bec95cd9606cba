import { type QuarantineDetail, quarantineReasons } from '@drover/protocol'
import { Alert, Badge, Box, Group, Paper, SimpleGrid, Stack, Tabs, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { quarantineEntryQuery } from '../api/queries.ts'
import { CopyBlock } from '../ui/Copy.tsx'
import { TextLink } from '../ui/links.tsx'
import { PageFailed } from '../ui/PageFailed.tsx'
import { PageLoading } from '../ui/PageLoading.tsx'
import { PageTitle } from '../ui/PageTitle.tsx'
import { formatTime } from '../ui/time.tsx'
import { bytesOf, hexDump, textOf } from './payload.ts'
import { entryLine, reasonLabel } from './reasons.ts'

export function QuarantineEntry() {
  const { entryId } = useParams({ from: '/signed-in/quarantine/$entryId' })
  const { data, error } = useQuery(quarantineEntryQuery(entryId))
  if (data) return <Loaded entry={data} />
  return error ? <PageFailed error={error} /> : <PageLoading />
}

function Loaded({ entry }: { entry: QuarantineDetail }) {
  return (
    <>
      <PageTitle
        above={<TextLink to="/quarantine">Quarantine</TextLink>}
        title={reasonLabel(entry.reason)}
        description={entryLine(entry)}
      />
      <Stack gap="md">
        <Facts entry={entry} />
        <Payload entry={entry} />
      </Stack>
    </>
  )
}

function Facts({ entry }: { entry: QuarantineDetail }) {
  return (
    <Paper withBorder p="lg">
      <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }} spacing="lg">
        <Fact label="Device">
          <DeviceLink id={entry.device} />
        </Fact>
        <Fact label="Metric">{entry.metric ?? 'the whole message'}</Fact>
        <Fact label="Received">{formatTime(entry.receivedAt)}</Fact>
        <Fact label="Payload">
          {entry.payloadBytes.toLocaleString()} bytes of {entry.contentType}
        </Fact>
      </SimpleGrid>
      <Group mt="lg" gap="xs" align="baseline">
        <Badge variant="light" color="orange" tt="none" fw={500}>
          {entry.reason}
        </Badge>
        <Text size="sm" c="dimmed">
          {quarantineReasons[entry.reason]}
        </Text>
      </Group>
    </Paper>
  )
}

/** A deleted device has no id any more, only its number. */
function DeviceLink({ id }: { id: string }) {
  if (id.startsWith('#')) return `${id}, deleted`
  return (
    <TextLink to="/devices/$deviceId" params={{ deviceId: id }} size="sm">
      {id}
    </TextLink>
  )
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <Box miw={0}>
      <Text size="xs" c="dimmed">
        {label}
      </Text>
      <Text size="sm" component="div" style={{ overflowWrap: 'anywhere' }}>
        {children}
      </Text>
    </Box>
  )
}

function Payload({ entry }: { entry: QuarantineDetail }) {
  const bytes = bytesOf(entry.payload)
  return (
    <Paper withBorder p="lg">
      {entry.truncated && (
        <Alert color="orange" variant="light" mb="md">
          Only the first {bytes.length.toLocaleString()} bytes were kept.
        </Alert>
      )}
      <Tabs defaultValue="text">
        <Tabs.List>
          <Tabs.Tab value="text">Text</Tabs.Tab>
          <Tabs.Tab value="hex">Hex</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="text" pt="sm">
          <CopyBlock text={textOf(bytes)} label="Payload as text" />
        </Tabs.Panel>
        <Tabs.Panel value="hex" pt="sm">
          <CopyBlock text={hexDump(bytes)} label="Payload as hex" columns />
        </Tabs.Panel>
      </Tabs>
    </Paper>
  )
}
