import { Paper } from '@mantine/core'
import { IconCpu, IconPlus, IconSearchOff } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { devicesQuery } from '../api/queries.ts'
import { useLive } from '../api/useLive.ts'
import { EmptyState } from '../ui/EmptyState.tsx'
import { ButtonLink } from '../ui/links.tsx'
import { PageFailed } from '../ui/PageFailed.tsx'
import { Pager } from '../ui/Pager.tsx'
import { PageTitle } from '../ui/PageTitle.tsx'
import { withConnections } from './connections.ts'
import { DeviceFilters } from './DeviceFilters.tsx'
import { DeviceTable } from './DeviceTable.tsx'
import type { DeviceListSearch } from './search.ts'

const pageItems = 50

export function DeviceList() {
  const search = useSearch({ from: '/signed-in/devices' })
  const { data, error, isPlaceholderData } = useLiveDevices(search)
  const filtered = Boolean(search.q || search.profile || search.tag || search.state)
  const empty = data?.items.length === 0 && !search.cursor
  return (
    <>
      <PageTitle title="Devices" description="What sends its readings here, and whether it is connected now.">
        <ButtonLink to="/add-device" leftSection={<IconPlus size={16} />}>
          Add device
        </ButtonLink>
      </PageTitle>
      {!(empty && !filtered) && <DeviceFilters search={search} />}
      <Paper withBorder>
        {error && !data ? (
          <PageFailed error={error} />
        ) : empty ? (
          <NoDevices filtered={filtered} />
        ) : (
          <DeviceTable devices={data?.items} dimmed={isPlaceholderData} />
        )}
      </Paper>
      {!empty && <ListPager search={search} nextCursor={data?.nextCursor ?? null} />}
    </>
  )
}

function useLiveDevices(search: DeviceListSearch) {
  const queryClient = useQueryClient()
  const options = devicesQuery({ ...search, limit: pageItems })
  useLive({ types: ['connection'] }, (events) => {
    queryClient.setQueryData(options.queryKey, (page) => page && withConnections(page, events))
  })
  return useQuery(options)
}

function ListPager({ search, nextCursor }: { search: DeviceListSearch; nextCursor: string | null }) {
  const navigate = useNavigate({ from: '/devices' })
  const [earlier, setEarlier] = useState<readonly (string | undefined)[]>([])
  const show = (cursor: string | undefined) => void navigate({ search: { ...search, cursor } })
  return (
    <Pager
      page={earlier.length + 1}
      onNext={
        nextCursor === null
          ? undefined
          : () => {
              setEarlier([...earlier, search.cursor])
              show(nextCursor)
            }
      }
      onPrevious={
        search.cursor === undefined
          ? undefined
          : () => {
              show(earlier.at(-1))
              setEarlier(earlier.slice(0, -1))
            }
      }
    />
  )
}

function NoDevices({ filtered }: { filtered: boolean }) {
  if (filtered)
    return (
      <EmptyState title="No device matches" icon={<IconSearchOff size={36} stroke={1.4} />}>
        Search looks for the text in ids and names. Try fewer words, or take a filter away.
        <br />
        <ButtonLink to="/devices" search={{}} variant="light" mt="md">
          Show all devices
        </ButtonLink>
      </EmptyState>
    )
  return (
    <EmptyState title="Add your first device" icon={<IconCpu size={36} stroke={1.4} />}>
      A device is whatever sends readings: a sensor, a gateway, a script. Give it an id, get a token and a
      command to paste, and see its first value within a second.
      <br />
      <ButtonLink to="/add-device" mt="md" leftSection={<IconPlus size={16} />}>
        Add device
      </ButtonLink>
    </EmptyState>
  )
}
