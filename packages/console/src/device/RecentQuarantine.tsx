import { Group, Paper, Skeleton, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { quarantineQuery } from '../api/queries.ts'
import { entryLine } from '../quarantine/reasons.ts'
import { TextLink } from '../ui/links.tsx'
import { Ago } from '../ui/time.tsx'

const shown = 5

/** What of this device was refused lately. */
export function RecentQuarantine({ device }: { device: string }) {
  const { data, error } = useQuery(quarantineQuery({ device, limit: shown }))
  return (
    <Paper withBorder p="md" h="100%">
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          Quarantine
        </Title>
        {data && data.items.length > 0 && (
          <TextLink to="/quarantine" search={{ device }} size="sm">
            See all
          </TextLink>
        )}
      </Group>
      <Stack gap="xs">
        {error && !data && (
          <Text size="sm" c="red">
            {error.message}
          </Text>
        )}
        {!data && !error && <Skeleton height={14} />}
        {data?.items.length === 0 && (
          <Text size="sm" c="dimmed">
            Nothing: every message was well formed and plausible.
          </Text>
        )}
        {data?.items.map((entry) => (
          <Group key={entry.id} justify="space-between" wrap="nowrap" gap="md" align="baseline">
            <TextLink
              to="/quarantine/$entryId"
              params={{ entryId: entry.id }}
              size="sm"
              style={{ overflowWrap: 'anywhere' }}
            >
              {entryLine(entry)}
            </TextLink>
            <Ago time={entry.receivedAt} size="xs" c="dimmed" style={{ whiteSpace: 'nowrap' }} />
          </Group>
        ))}
      </Stack>
    </Paper>
  )
}
