import { isDroverError } from '@drover/protocol'
import { Button } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useRouter } from '@tanstack/react-router'
import { EmptyState } from './EmptyState.tsx'
import { ButtonLink } from './links.tsx'

/** What a page shows in place of itself when what it needs cannot be had. */
export function PageFailed({ error }: { error: unknown }) {
  const gone = isDroverError(error, 'notFound')
  return (
    <EmptyState title={gone ? 'This does not exist' : 'This cannot be shown now'}>
      {error instanceof Error ? error.message : String(error)}
      <br />
      {gone ? (
        <ButtonLink to="/devices" mt="md" variant="light">
          To the devices
        </ButtonLink>
      ) : (
        <TryAgain />
      )}
    </EmptyState>
  )
}

function TryAgain() {
  const router = useRouter()
  const queryClient = useQueryClient()
  const retry = async () => {
    await queryClient.resetQueries()
    await router.invalidate()
  }
  return (
    <Button mt="md" variant="light" onClick={retry}>
      Try again
    </Button>
  )
}
