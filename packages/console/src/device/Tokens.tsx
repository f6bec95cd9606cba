import { limits, type Token } from '@drover/protocol'
import { Alert, Button, Code, Group, Paper, Skeleton, Stack, Text, Title } from '@mantine/core'
import { IconKey } from '@tabler/icons-react'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { client } from '../api/client.ts'
import { tokensQuery } from '../api/queries.ts'
import { Confirm } from '../ui/Confirm.tsx'
import { CopyBlock } from '../ui/Copy.tsx'
import { notifyDone, notifyFailure } from '../ui/failure.ts'
import { Ago } from '../ui/time.tsx'

/** What the device signs in with. A token's secret is shown once, when it is made. */
export function Tokens({ device }: { device: string }) {
  const { data, error } = useQuery(tokensQuery(device))
  const { create, revoke } = useTokenChanges(device)
  const [asked, setAsked] = useState<Token>()
  const created = data?.items.some(({ keyId }) => keyId === create.data?.keyId) ? create.data : undefined
  return (
    <Paper withBorder p="md" h="100%">
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          Tokens
        </Title>
        <Button
          size="xs"
          variant="light"
          loading={create.isPending}
          disabled={(data?.items.length ?? 0) >= limits.tokensPerDeviceMax}
          onClick={() => create.mutate()}
        >
          Create token
        </Button>
      </Group>
      <Stack gap="sm">
        {created && (
          <Alert icon={<IconKey size={18} />} color="orange" variant="light" title="Shown this once">
            <CopyBlock text={created.token} label="New device token" />
          </Alert>
        )}
        {error && !data && (
          <Text size="sm" c="red">
            {error.message}
          </Text>
        )}
        {!data && !error && <Skeleton height={14} />}
        {data?.items.length === 0 && (
          <Text size="sm" c="dimmed">
            No token: the device cannot connect. Create one.
          </Text>
        )}
        {data?.items.map((token) => (
          <Row key={token.keyId} token={token} onRevoke={() => setAsked(token)} />
        ))}
      </Stack>
      <Confirm
        opened={asked !== undefined}
        onClose={() => setAsked(undefined)}
        title="Revoke this token?"
        action="Revoke token"
        busy={revoke.isPending}
        onConfirm={() => asked && revoke.mutate(asked.keyId, { onSuccess: () => setAsked(undefined) })}
      >
        The connections that use it are closed within two seconds, and it can never be used again.
      </Confirm>
    </Paper>
  )
}

function Row({ token, onRevoke }: { token: Token; onRevoke: () => void }) {
  return (
    <Group justify="space-between" wrap="nowrap">
      <div style={{ minWidth: 0 }}>
        <Code>dt_{token.keyId}_…</Code>
        <Group gap={6}>
          <Text size="xs" c="dimmed">
            created
          </Text>
          <Ago time={token.createdAt} size="xs" c="dimmed" />
          <Text size="xs" c="dimmed">
            · used
          </Text>
          <Ago time={token.lastUsedAt} size="xs" c="dimmed" />
        </Group>
      </div>
      <Button
        size="compact-sm"
        variant="subtle"
        color="red"
        onClick={onRevoke}
        aria-label={`Revoke token ${token.keyId}`}
      >
        Revoke
      </Button>
    </Group>
  )
}

function useTokenChanges(device: string) {
  const queryClient = useQueryClient()
  const refresh = () => queryClient.invalidateQueries({ queryKey: tokensQuery(device).queryKey })
  const create = useMutation({
    mutationFn: () => client.devices.createToken(device),
    onSuccess: refresh,
    onError: notifyFailure,
  })
  const revoke = useMutation({
    mutationFn: (keyId: string) => client.devices.revokeToken(device, keyId),
    onSuccess: async () => {
      notifyDone('The token was revoked.')
      await refresh()
    },
    onError: notifyFailure,
  })
  return { create, revoke }
}
