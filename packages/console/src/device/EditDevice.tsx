import type { Device, DevicePatch, DeviceState } from '@drover/protocol'
import { Alert, Button, Group, Modal, Radio, Select, Stack, TagsInput, TextInput } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { client } from '../api/client.ts'
import { deviceQuery, profilesQuery } from '../api/queries.ts'

interface EditDeviceProps {
  readonly device: Device
  readonly opened: boolean
  readonly onClose: () => void
}

export function EditDevice({ device, opened, onClose }: EditDeviceProps) {
  return (
    <Modal opened={opened} onClose={onClose} title={`Edit ${device.id}`} centered>
      <EditForm device={device} onClose={onClose} />
    </Modal>
  )
}

function EditForm({ device, onClose }: Omit<EditDeviceProps, 'opened'>) {
  const { name, profile, tags, state } = device
  const [patch, setPatch] = useState({ name, profile, tags, state })
  const change = (changed: Partial<typeof patch>) => setPatch((now) => ({ ...now, ...changed }))
  const { data: profiles } = useQuery(profilesQuery)
  const save = useSave(device.id, onClose)
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        save.mutate(patch)
      }}
    >
      <Stack gap="md">
        <TextInput
          label="Name"
          value={patch.name}
          onChange={(event) => change({ name: event.currentTarget.value })}
          maxLength={256}
          data-autofocus
        />
        <Select
          label="Profile"
          data={profiles?.items.map(({ id }) => id) ?? [profile]}
          value={patch.profile}
          onChange={(chosen) => chosen && change({ profile: chosen })}
          allowDeselect={false}
          searchable
        />
        <TagsInput label="Tags" value={patch.tags} onChange={(chosen) => change({ tags: chosen })} />
        <Radio.Group
          label="State"
          description="A suspended device keeps its data and tokens, but cannot connect or send."
          value={patch.state}
          onChange={(chosen) => change({ state: chosen as DeviceState })}
        >
          <Group mt="xs" gap="lg">
            <Radio value="active" label="active" />
            <Radio value="suspended" label="suspended" />
          </Group>
        </Radio.Group>
        {save.error && <Alert color="red">{save.error.message}</Alert>}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={save.isPending}>
            Save
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

function useSave(id: string, onSaved: () => void) {
  const queryClient = useQueryClient()
  return useMutation({
    mutationFn: (patch: DevicePatch) => client.devices.update(id, patch),
    onSuccess: (changed) => {
      queryClient.setQueryData(deviceQuery(id).queryKey, changed)
      void queryClient.invalidateQueries({ queryKey: ['devices'] })
      onSaved()
    },
  })
}
