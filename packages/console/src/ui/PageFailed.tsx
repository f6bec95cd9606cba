import { Button } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useRouter } from '@tanstack/react-router'
import { EmptyState } from './EmptyState.tsx'

/** What a page shows in place of itself when what it needs cannot be had. */
export function PageFailed({ error }: { error: unknown }) {
  const router = useRouter()
  const queryClient = useQueryClient()
  const retry = async () => {
    await queryClient.resetQueries()
    await router.invalidate()
  }
  return (
    <EmptyState title="This cannot be shown now">
      {error instanceof Error ? error.message : String(error)}
      <br />
      <Button mt="md" variant="light" onClick={retry}>
        Try again
      </Button>
    </EmptyState>
  )
}
