import { type QuarantineReason, quarantineReasons } from '@drover/protocol'
import { Group, Select, TextInput } from '@mantine/core'
import { useHotkeys } from '@mantine/hooks'
import { IconCpu } from '@tabler/icons-react'
import { useNavigate } from '@tanstack/react-router'
import { useRef } from 'react'
import { useTyped } from '../ui/useTyped.ts'
import { reasonLabel } from './reasons.ts'
import type { QuarantineSearch } from './search.ts'

const reasons = Object.keys(quarantineReasons) as QuarantineReason[]

export function QuarantineFilters({ search }: { search: QuarantineSearch }) {
  const navigate = useNavigate({ from: '/quarantine' })
  const change = (changed: QuarantineSearch) =>
    void navigate({ search: (now) => ({ ...now, ...changed, cursor: undefined }), replace: true })
  const [typed, type] = useTyped(search.device ?? '', (device) => change({ device: device || undefined }))
  const input = useRef<HTMLInputElement>(null)
  useHotkeys([['/', () => input.current?.focus()]])
  return (
    <Group mb="md" gap="xs">
      <TextInput
        ref={input}
        type="search"
        aria-label="Filter by device"
        placeholder="Id of a device"
        leftSection={<IconCpu size={16} />}
        value={typed}
        onChange={(event) => type(event.currentTarget.value)}
        flex="1 1 220px"
      />
      <Select
        aria-label="Filter by reason"
        placeholder="Any reason"
        data={reasons.map((value) => ({ value, label: reasonLabel(value) }))}
        value={search.reason ?? null}
        onChange={(reason) => change({ reason: (reason ?? undefined) as QuarantineReason | undefined })}
        clearable
        searchable
        flex="1 1 220px"
      />
    </Group>
  )
}
