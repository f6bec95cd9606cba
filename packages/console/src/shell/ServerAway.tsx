import { Affix, Group, Loader, Paper, Text, Transition } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import { healthKey } from '../api/queries.ts'

const pollMs = 10_000
const pollAwayMs = 1_000
const answerMsMax = 5_000

async function checkHealth(): Promise<true> {
  const response = await fetch('/healthz', { cache: 'no-store', signal: AbortSignal.timeout(answerMsMax) })
  if (!response.ok) throw new Error(`status ${response.status}`)
  return true
}

/** Says that the server does not answer, tries again by itself, and refreshes everything when it is back. */
export function ServerAway() {
  const queryClient = useQueryClient()
  const { isError } = useQuery({
    queryKey: healthKey,
    queryFn: checkHealth,
    retry: false,
    refetchInterval: (query) => (query.state.status === 'error' ? pollAwayMs : pollMs),
    refetchIntervalInBackground: true,
  })
  const wasAway = useRef(false)
  useEffect(() => {
    if (wasAway.current && !isError) {
      const others = (key: readonly unknown[]) => key[0] !== healthKey[0]
      void queryClient.invalidateQueries({ predicate: (query) => others(query.queryKey) })
    }
    wasAway.current = isError
  }, [isError, queryClient])
  return (
    <Affix position={{ bottom: 16, left: 16, right: 16 }} style={{ pointerEvents: 'none' }}>
      <div role="status" aria-live="polite">
        <Transition mounted={isError} transition="slide-up">
          {(styles) => (
            <Paper
              withBorder
              shadow="lg"
              p="sm"
              maw={480}
              mx="auto"
              style={{ ...styles, pointerEvents: 'auto' }}
            >
              <Group gap="sm" wrap="nowrap">
                <Loader size="sm" color="orange" />
                <div>
                  <Text fw={600} size="sm">
                    The server does not answer
                  </Text>
                  <Text size="sm" c="dimmed">
                    Shown is what was last known. Trying again by itself.
                  </Text>
                </div>
              </Group>
            </Paper>
          )}
        </Transition>
      </div>
    </Affix>
  )
}
