import { Group, Kbd, Select, TextInput } from '@mantine/core'
import { useHotkeys } from '@mantine/hooks'
import { IconSearch, IconTag } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useRef } from 'react'
import { profilesQuery } from '../api/queries.ts'
import { useTyped } from '../ui/useTyped.ts'
import type { DeviceListSearch } from './search.ts'

const states = [
  { value: 'online', label: 'Online' },
  { value: 'offline', label: 'Offline' },
  { value: 'suspended', label: 'Suspended' },
]

export function DeviceFilters({ search }: { search: DeviceListSearch }) {
  const navigate = useNavigate({ from: '/devices' })
  const { data: profiles } = useQuery(profilesQuery)
  const change = (changed: DeviceListSearch) =>
    void navigate({ search: (now) => ({ ...now, ...changed, cursor: undefined }), replace: true })
  return (
    <Group mb="md" gap="xs">
      <SearchField value={search.q ?? ''} onChange={(q) => change({ q: q || undefined })} />
      <Select
        aria-label="Filter by state"
        placeholder="Any state"
        data={states}
        value={search.state ?? null}
        onChange={(state) => change({ state: (state ?? undefined) as DeviceListSearch['state'] })}
        clearable
        w={{ base: 'calc(50% - 5px)', xs: 140 }}
      />
      <Select
        aria-label="Filter by profile"
        placeholder="Any profile"
        data={profiles?.items.map(({ id }) => id) ?? []}
        value={search.profile ?? null}
        onChange={(profile) => change({ profile: profile ?? undefined })}
        clearable
        searchable
        w={{ base: 'calc(50% - 5px)', xs: 160 }}
      />
      <TagField value={search.tag ?? ''} onChange={(tag) => change({ tag: tag || undefined })} />
    </Group>
  )
}

interface FieldProps {
  readonly value: string
  readonly onChange: (text: string) => void
}

function SearchField(props: FieldProps) {
  const [typed, type] = useTyped(props.value, props.onChange)
  const input = useRef<HTMLInputElement>(null)
  useHotkeys([['/', () => input.current?.focus()]])
  return (
    <TextInput
      ref={input}
      type="search"
      aria-label="Search devices by id or name"
      placeholder="Search id or name"
      leftSection={<IconSearch size={16} />}
      rightSection={<Kbd size="xs">/</Kbd>}
      value={typed}
      onChange={(event) => type(event.currentTarget.value)}
      flex="1 1 240px"
    />
  )
}

function TagField(props: FieldProps) {
  const [typed, type] = useTyped(props.value, props.onChange)
  return (
    <TextInput
      aria-label="Filter by tag"
      placeholder="Any tag"
      leftSection={<IconTag size={16} />}
      value={typed}
      onChange={(event) => type(event.currentTarget.value)}
      w={{ base: '100%', xs: 150 }}
    />
  )
}
