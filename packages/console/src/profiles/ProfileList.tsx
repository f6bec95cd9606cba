import type { Profile } from '@drover/protocol'
import { Alert, Paper, Skeleton, Table, Text } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { profilesQuery } from '../api/queries.ts'
import { EmptyState } from '../ui/EmptyState.tsx'
import { ButtonLink, TextLink } from '../ui/links.tsx'
import { PageTitle } from '../ui/PageTitle.tsx'
import tables from '../ui/table.module.css'

export function ProfileList() {
  const { data, error } = useQuery(profilesQuery)
  return (
    <>
      <PageTitle
        title="Profiles"
        description="What a kind of device sends, and what of it is plausible. Everything else goes to quarantine."
      >
        <ButtonLink to="/add-profile" leftSection={<IconPlus size={16} />}>
          Add profile
        </ButtonLink>
      </PageTitle>
      {error && !data && <Alert color="red">{error.message}</Alert>}
      <Paper withBorder>
        {data?.items.length === 0 ? <NoProfiles /> : <ProfileTable profiles={data?.items} />}
      </Paper>
    </>
  )
}

function ProfileTable({ profiles }: { profiles: readonly Profile[] | undefined }) {
  return (
    <Table className={tables.table} highlightOnHover={profiles !== undefined}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Profile</Table.Th>
          <Table.Th w={90}>Metrics</Table.Th>
          <Table.Th visibleFrom="sm" w={170}>
            Unknown metrics
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {profiles ? profiles.map((profile) => <Row key={profile.id} profile={profile} />) : <Loading />}
      </Table.Tbody>
    </Table>
  )
}

function Row({ profile }: { profile: Profile }) {
  return (
    <Table.Tr className={tables.row}>
      <Table.Td>
        <TextLink
          to="/profiles/$profileId"
          params={{ profileId: profile.id }}
          className={tables.rowLink}
          fw={550}
          size="sm"
          c="var(--mantine-color-text)"
        >
          {profile.id}
        </TextLink>
        {profile.description && (
          <Text size="xs" c="dimmed" truncate>
            {profile.description}
          </Text>
        )}
      </Table.Td>
      <Table.Td>
        <Text size="sm" className="numbers">
          {Object.keys(profile.metrics).length}
        </Text>
      </Table.Td>
      <Table.Td visibleFrom="sm">
        <Text size="sm">{profile.unknownMetrics === 'accept' ? 'accepted' : 'to quarantine'}</Text>
      </Table.Td>
    </Table.Tr>
  )
}

function Loading() {
  return (
    <Table.Tr>
      <Table.Td colSpan={3}>
        <Skeleton height={14} my={6} width="50%" />
      </Table.Td>
    </Table.Tr>
  )
}

function NoProfiles() {
  return <EmptyState title="No profile">Add one to say what your devices send.</EmptyState>
}
