import type { Device } from '@drover/protocol'
import { Badge, Box, Group, Skeleton, Table, Text } from '@mantine/core'
import { TextLink } from '../ui/links.tsx'
import tables from '../ui/table.module.css'
import { Ago } from '../ui/time.tsx'
import { StateBadge } from './StateBadge.tsx'

interface DeviceTableProps {
  /** Undefined while the first page loads. */
  readonly devices: readonly Device[] | undefined
  readonly dimmed: boolean
}

export function DeviceTable({ devices, dimmed }: DeviceTableProps) {
  return (
    <Table className={tables.table} highlightOnHover={devices !== undefined} opacity={dimmed ? 0.6 : 1}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Device</Table.Th>
          <Table.Th w={130}>State</Table.Th>
          <Table.Th visibleFrom="xs" w={110}>
            Last seen
          </Table.Th>
          <Table.Th visibleFrom="md" w={180}>
            Profile
          </Table.Th>
          <Table.Th visibleFrom="md" w="26%">
            Tags
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {devices ? devices.map((device) => <Row key={device.uid} device={device} />) : <LoadingRows />}
      </Table.Tbody>
    </Table>
  )
}

function Row({ device }: { device: Device }) {
  return (
    <Table.Tr className={tables.row}>
      <Table.Td>
        <TextLink
          to="/devices/$deviceId"
          params={{ deviceId: device.id }}
          className={tables.rowLink}
          fw={550}
          size="sm"
          c="var(--mantine-color-text)"
        >
          {device.id}
        </TextLink>
        {device.name && (
          <Text size="xs" c="dimmed" truncate>
            {device.name}
          </Text>
        )}
      </Table.Td>
      <Table.Td>
        <StateBadge state={device.state} connection={device.connection} />
        <Box hiddenFrom="xs" pl={17}>
          <Ago time={device.connection.lastSeen} size="xs" c="dimmed" />
        </Box>
      </Table.Td>
      <Table.Td visibleFrom="xs">
        <Ago time={device.connection.lastSeen} size="sm" c="dimmed" />
      </Table.Td>
      <Table.Td visibleFrom="md">
        <Text size="sm" truncate>
          {device.profile}
        </Text>
      </Table.Td>
      <Table.Td visibleFrom="md">
        <Tags tags={device.tags} />
      </Table.Td>
    </Table.Tr>
  )
}

const tagsShown = 4

export function Tags({ tags, shown = tagsShown }: { tags: readonly string[]; shown?: number }) {
  return (
    <Group gap={4}>
      {tags.slice(0, shown).map((tag) => (
        <Badge key={tag} variant="default" size="sm" tt="none" fw={500} maw={160}>
          {tag}
        </Badge>
      ))}
      {tags.length > shown && (
        <Text size="xs" c="dimmed" title={tags.slice(shown).join(', ')}>
          +{tags.length - shown}
        </Text>
      )}
    </Group>
  )
}

function LoadingRows() {
  return Array.from({ length: 8 }, (_, row) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: placeholder rows have nothing else, and never move
    <Table.Tr key={row}>
      <Table.Td colSpan={5}>
        <Box py={4}>
          <Skeleton height={14} width={`${40 + ((row * 17) % 40)}%`} />
        </Box>
      </Table.Td>
    </Table.Tr>
  ))
}
