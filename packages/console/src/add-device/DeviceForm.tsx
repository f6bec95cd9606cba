import { type DeviceCreated, type DeviceInput, isDroverError, isIdentifier, limits } from '@drover/protocol'
import { Alert, Button, Code, Group, Paper, Select, Stack, TagsInput, Text, TextInput } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { client } from '../api/client.ts'
import { profilesQuery } from '../api/queries.ts'
import { ButtonLink, TextLink } from '../ui/links.tsx'

const identifierRule = 'Letters, digits and . _ : - , starting with a letter or digit; not “me”.'

interface Fields {
  readonly id: string
  readonly name: string
  readonly profile: string
  readonly tags: string[]
}

export function DeviceForm({ onCreated }: { onCreated: (created: DeviceCreated) => void }) {
  const [fields, setFields] = useState<Fields>({ id: '', name: '', profile: 'default', tags: [] })
  const change = (changed: Partial<Fields>) => setFields((now) => ({ ...now, ...changed }))
  const create = useCreate(onCreated)
  const taken = isDroverError(create.error, 'alreadyExists') ? create.error.message : undefined
  return (
    <Paper withBorder p="lg" maw={560}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          create.mutate(fields)
        }}
      >
        <Stack gap="md">
          <Inputs fields={fields} change={change} taken={taken} />
          {create.error && !taken && <Alert color="red">{create.error.message}</Alert>}
          <Group justify="flex-end" gap="xs">
            <ButtonLink to="/devices" variant="default">
              Cancel
            </ButtonLink>
            <Button type="submit" loading={create.isPending} disabled={!isIdentifier(fields.id)}>
              Add device
            </Button>
          </Group>
          <Text size="xs" c="dimmed">
            Thousands at once? Send them as CSV to <Code>POST /api/v1/imports/devices</Code>.
          </Text>
        </Stack>
      </form>
    </Paper>
  )
}

interface InputsProps {
  readonly fields: Fields
  readonly change: (changed: Partial<Fields>) => void
  /** Why the id cannot be had. */
  readonly taken: string | undefined
}

function Inputs({ fields, change, taken }: InputsProps) {
  const { data: profiles } = useQuery(profilesQuery)
  const rule = fields.id !== '' && !isIdentifier(fields.id) ? identifierRule : undefined
  return (
    <>
      <TextInput
        label="Id"
        description="Unique, and it never changes: a serial number, or a name such as boiler-1."
        value={fields.id}
        onChange={(event) => change({ id: event.currentTarget.value.trim() })}
        error={rule ?? taken}
        maxLength={limits.identifierLengthMax}
        autoComplete="off"
        spellCheck={false}
        autoFocus
        required
      />
      <TextInput
        label="Name"
        description="For people; can be changed at any time."
        value={fields.name}
        onChange={(event) => change({ name: event.currentTarget.value })}
        maxLength={256}
      />
      <Select
        label="Profile"
        description={<ProfileHint />}
        data={profiles?.items.map(({ id }) => id) ?? ['default']}
        value={fields.profile}
        onChange={(profile) => profile && change({ profile })}
        allowDeselect={false}
        searchable
      />
      <TagsInput
        label="Tags"
        description="To find and group devices, such as a place. Enter after each."
        value={fields.tags}
        onChange={(tags) => change({ tags })}
        maxTags={limits.tagsPerDeviceMax}
      />
    </>
  )
}

function ProfileHint() {
  return (
    <>
      Says which metrics it sends and what is plausible.{' '}
      <TextLink to="/add-profile" size="xs">
        Add a profile
      </TextLink>
    </>
  )
}

function useCreate(onCreated: (created: DeviceCreated) => void) {
  const queryClient = useQueryClient()
  return useMutation({
    mutationFn: (device: DeviceInput) => client.devices.create(device),
    onSuccess: (created) => {
      void queryClient.invalidateQueries({ queryKey: ['devices'] })
      onCreated(created)
    },
  })
}
