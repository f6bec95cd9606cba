import type { QuarantineEntry } from '@drover/protocol'
import { Alert, Badge, Paper, Skeleton, Table, Text } from '@mantine/core'
import { IconShieldCheck } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useRef, useState } from 'react'
import { quarantineQuery } from '../api/queries.ts'
import { useLive } from '../api/useLive.ts'
import { EmptyState } from '../ui/EmptyState.tsx'
import { ButtonLink, TextLink } from '../ui/links.tsx'
import { PageFailed } from '../ui/PageFailed.tsx'
import { Pager } from '../ui/Pager.tsx'
import { PageTitle } from '../ui/PageTitle.tsx'
import tables from '../ui/table.module.css'
import { Ago } from '../ui/time.tsx'
import { QuarantineFilters } from './QuarantineFilters.tsx'
import { entryLine, reasonLabel } from './reasons.ts'
import type { QuarantineSearch } from './search.ts'

const pageItems = 50
const refreshMs = 1_500

export function QuarantineList() {
  const search = useSearch({ from: '/signed-in/quarantine' })
  const { data, error, isPlaceholderData } = useQuery(quarantineQuery({ ...search, limit: pageItems }))
  useFreshQuarantine(search.device)
  const filtered = Boolean(search.device || search.reason)
  const empty = data?.items.length === 0 && !search.cursor
  return (
    <>
      <PageTitle
        title="Quarantine"
        description="Messages and values that could not be believed. They never reach a chart; here is what came, and why not."
      />
      <QuarantineFilters search={search} />
      {data && data.dropped > 0 && (
        <Alert color="orange" variant="light" mb="md">
          {data.dropped.toLocaleString()} more were counted but not kept, because each device keeps a limited
          number.
        </Alert>
      )}
      <Paper withBorder>
        {error && !data ? (
          <PageFailed error={error} />
        ) : empty ? (
          <Nothing filtered={filtered} />
        ) : (
          <Entries entries={data?.items} dimmed={isPlaceholderData} />
        )}
      </Paper>
      {!empty && <ListPager search={search} nextCursor={data?.nextCursor ?? null} />}
    </>
  )
}

/** Asks again when something new came, at most every so often: a rogue device sends a lot. */
function useFreshQuarantine(device: string | undefined): void {
  const queryClient = useQueryClient()
  const timer = useRef<number>(undefined)
  useLive({ types: ['quarantine'], devices: device ? [device] : undefined }, (events) => {
    if (events.length === 0) return
    timer.current ??= window.setTimeout(() => {
      timer.current = undefined
      void queryClient.invalidateQueries({ queryKey: ['quarantine'] })
    }, refreshMs)
  })
}

function ListPager({ search, nextCursor }: { search: QuarantineSearch; nextCursor: string | null }) {
  const navigate = useNavigate({ from: '/quarantine' })
  const [earlier, setEarlier] = useState<readonly (string | undefined)[]>([])
  const show = (cursor: string | undefined) => void navigate({ search: { ...search, cursor } })
  const next = () => {
    setEarlier([...earlier, search.cursor])
    show(nextCursor ?? undefined)
  }
  const previous = () => {
    show(earlier.at(-1))
    setEarlier(earlier.slice(0, -1))
  }
  return (
    <Pager
      page={earlier.length + 1}
      onNext={nextCursor === null ? undefined : next}
      onPrevious={search.cursor === undefined ? undefined : previous}
    />
  )
}

function Entries({ entries, dimmed }: { entries: readonly QuarantineEntry[] | undefined; dimmed: boolean }) {
  return (
    <Table className={tables.table} highlightOnHover={entries !== undefined} opacity={dimmed ? 0.6 : 1}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>What was refused</Table.Th>
          <Table.Th visibleFrom="sm" w={150}>
            Reason
          </Table.Th>
          <Table.Th visibleFrom="sm" w={170}>
            Device
          </Table.Th>
          <Table.Th w={100}>Received</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {entries ? entries.map((entry) => <Row key={entry.id} entry={entry} />) : <Loading />}
      </Table.Tbody>
    </Table>
  )
}

function Row({ entry }: { entry: QuarantineEntry }) {
  return (
    <Table.Tr className={tables.row}>
      <Table.Td>
        <TextLink
          to="/quarantine/$entryId"
          params={{ entryId: entry.id }}
          className={tables.rowLink}
          size="sm"
          c="var(--mantine-color-text)"
          style={{ whiteSpace: 'normal' }}
        >
          {entryLine(entry)}
        </TextLink>
        <Text size="xs" c="dimmed" ff="monospace" truncate>
          {entry.preview}
        </Text>
        <Text size="xs" c="dimmed" hiddenFrom="sm" truncate>
          {entry.device}
        </Text>
      </Table.Td>
      <Table.Td visibleFrom="sm">
        <Badge variant="light" color="orange" tt="none" size="sm" fw={500}>
          {reasonLabel(entry.reason)}
        </Badge>
      </Table.Td>
      <Table.Td visibleFrom="sm">
        <Text size="sm" truncate>
          {entry.device}
        </Text>
      </Table.Td>
      <Table.Td>
        <Ago time={entry.receivedAt} size="sm" c="dimmed" />
      </Table.Td>
    </Table.Tr>
  )
}

function Loading() {
  return Array.from({ length: 6 }, (_, row) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: placeholder rows have nothing else, and never move
    <Table.Tr key={row}>
      <Table.Td colSpan={4}>
        <Skeleton height={14} my={8} width={`${45 + ((row * 13) % 40)}%`} />
      </Table.Td>
    </Table.Tr>
  ))
}

function Nothing({ filtered }: { filtered: boolean }) {
  return (
    <EmptyState
      title={filtered ? 'Nothing matches' : 'Nothing in quarantine'}
      icon={<IconShieldCheck size={36} stroke={1.4} />}
    >
      {filtered ? (
        <ButtonLink to="/quarantine" search={{}} variant="light" mt="xs">
          Show everything
        </ButtonLink>
      ) : (
        <>
          Every message so far was well formed and plausible. Give your{' '}
          <TextLink to="/profiles" size="sm">
            profiles
          </TextLink>{' '}
          physical ranges, and impossible values will end here and not in a chart.
        </>
      )}
    </EmptyState>
  )
}
