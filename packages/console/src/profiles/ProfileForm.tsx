import { isIdentifier, limits, type Profile } from '@drover/protocol'
import { Alert, Button, Group, Paper, Radio, SimpleGrid, Stack, Text, TextInput, Title } from '@mantine/core'
import { type ReactNode, useState } from 'react'
import { ButtonLink } from '../ui/links.tsx'
import { inputOf, metricErrors, type ProfileDraft, type ProfileFields } from './draft.ts'
import { MetricsTable } from './MetricsTable.tsx'

interface ProfileFormProps {
  readonly initial: ProfileDraft
  /** The profile that is changed; a new one without it. */
  readonly known?: Profile
  readonly action: string
  readonly busy: boolean
  readonly error: Error | null
  readonly onSubmit: (input: ProfileFields) => void
  /** Further buttons. */
  readonly children?: ReactNode
}

export function ProfileForm({ initial, known, action, busy, error, onSubmit, children }: ProfileFormProps) {
  const [draft, setDraft] = useState(initial)
  const [tried, setTried] = useState(false)
  const change = (changed: Partial<ProfileDraft>) => setDraft((now) => ({ ...now, ...changed }))
  const bad = draft.metrics.some((metric) => Object.keys(metricErrors(metric, draft.metrics)).length > 0)
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        setTried(true)
        if (!bad && isIdentifier(draft.id)) onSubmit(inputOf(draft, known))
      }}
    >
      <Stack gap="md">
        <Identity draft={draft} change={change} fixed={known !== undefined} tried={tried} />
        <Paper withBorder p="lg">
          <MetricsTable metrics={draft.metrics} onChange={(metrics) => change({ metrics })} tried={tried} />
          <UnknownMetrics draft={draft} change={change} />
        </Paper>
        <Times draft={draft} change={change} />
        {error && <Alert color="red">{error.message}</Alert>}
        <Group justify="space-between" gap="xs">
          <div>{children}</div>
          <Group gap="xs">
            <ButtonLink to="/profiles" variant="default">
              Cancel
            </ButtonLink>
            <Button type="submit" loading={busy}>
              {action}
            </Button>
          </Group>
        </Group>
      </Stack>
    </form>
  )
}

interface PartProps {
  readonly draft: ProfileDraft
  readonly change: (changed: Partial<ProfileDraft>) => void
}

function Identity({ draft, change, fixed, tried }: PartProps & { fixed: boolean; tried: boolean }) {
  const bad = (tried || draft.id !== '') && !isIdentifier(draft.id)
  return (
    <Paper withBorder p="lg">
      <SimpleGrid cols={{ base: 1, sm: fixed ? 1 : 2 }}>
        {!fixed && (
          <TextInput
            label="Id"
            value={draft.id}
            onChange={(event) => change({ id: event.currentTarget.value.trim() })}
            error={bad && 'Letters, digits and . _ : - , starting with a letter or digit; not “me”.'}
            maxLength={limits.identifierLengthMax}
            autoComplete="off"
            spellCheck={false}
            autoFocus
            required
          />
        )}
        <TextInput
          label="Description"
          value={draft.description}
          onChange={(event) => change({ description: event.currentTarget.value })}
          maxLength={1_000}
        />
      </SimpleGrid>
    </Paper>
  )
}

function UnknownMetrics({ draft, change }: PartProps) {
  return (
    <Radio.Group
      mt="lg"
      label="Metrics that are not in this table"
      value={draft.unknownMetrics}
      onChange={(value) => change({ unknownMetrics: value as ProfileDraft['unknownMetrics'] })}
    >
      <Group mt="xs" gap="lg">
        <Radio value="accept" label="are accepted" />
        <Radio value="quarantine" label="go to quarantine" />
      </Group>
    </Radio.Group>
  )
}

function Times({ draft, change }: PartProps) {
  return (
    <Paper withBorder p="lg">
      <Title order={2} size="h4" mb={4}>
        Times
      </Title>
      <Text size="sm" c="dimmed" mb="md">
        A value whose time lies outside goes to quarantine: a device with a wrong clock shows at once.
      </Text>
      <SimpleGrid cols={{ base: 1, sm: 3 }}>
        <TextInput
          type="date"
          label="Oldest time"
          value={draft.oldestTime}
          onChange={(event) => change({ oldestTime: event.currentTarget.value })}
          min="1970-01-01"
          required
          withAsterisk={false}
        />
        <TextInput
          type="number"
          label="Ahead at most, seconds"
          value={draft.aheadSecondsMax}
          onChange={(event) => change({ aheadSecondsMax: event.currentTarget.value })}
          min={0}
          required
          withAsterisk={false}
        />
        <TextInput
          type="number"
          label="Sends every, seconds"
          placeholder="unknown"
          value={draft.intervalSeconds}
          onChange={(event) => change({ intervalSeconds: event.currentTarget.value })}
          min={0}
          step="any"
        />
      </SimpleGrid>
    </Paper>
  )
}
