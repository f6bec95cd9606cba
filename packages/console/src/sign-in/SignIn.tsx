import { isDroverError } from '@drover/protocol'
import { Box, Button, Center, Code, Group, Paper, PasswordInput, Stack, Text, Title } from '@mantine/core'
import { useDocumentTitle } from '@mantine/hooks'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useRouter, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { client } from '../api/client.ts'
import { sessionKey } from '../api/queries.ts'
import { Logo } from '../shell/Logo.tsx'

export function SignIn() {
  useDocumentTitle('Sign in · Drover')
  return (
    <Center mih="100dvh" p="md" component="main">
      <Box w="100%" maw={400}>
        <Group gap="sm" mb="lg" justify="center">
          <Logo size={36} />
          <Title order={1} size="h2">
            Drover
          </Title>
        </Group>
        <Paper withBorder p="lg" shadow="sm">
          <KeyForm />
        </Paper>
      </Box>
    </Center>
  )
}

function KeyForm() {
  const [key, setKey] = useState('')
  const signIn = useSignIn()
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        signIn.mutate(key.trim())
      }}
    >
      <Stack gap="md">
        <PasswordInput
          label="Administrator key"
          description={
            <>
              The first start wrote it to a file in the data directory. On the server,{' '}
              <Code>cat data/admin-key</Code> shows it.
            </>
          }
          inputWrapperOrder={['label', 'description', 'input', 'error']}
          value={key}
          onChange={(event) => setKey(event.currentTarget.value)}
          error={signIn.error && describe(signIn.error)}
          autoComplete="current-password"
          autoFocus
          required
          withAsterisk={false}
        />
        <Button type="submit" loading={signIn.isPending} fullWidth>
          Sign in
        </Button>
        <Text size="xs" c="dimmed">
          The browser keeps a session, not the key, until you sign out.
        </Text>
      </Stack>
    </form>
  )
}

function useSignIn() {
  const router = useRouter()
  const queryClient = useQueryClient()
  const { next } = useSearch({ from: '/sign-in' })
  return useMutation({
    mutationFn: (key: string) => client.session.create(key),
    onSuccess: (session) => {
      queryClient.setQueryData(sessionKey, session)
      router.history.push(next ?? '/devices')
    },
  })
}

function describe(error: Error): string {
  if (isDroverError(error, 'badCredentials') || isDroverError(error, 'unauthenticated'))
    return 'This is not the administrator key of this server. Copy the whole line of the file.'
  return error.message
}
