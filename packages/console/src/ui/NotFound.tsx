import { EmptyState } from './EmptyState.tsx'
import { ButtonLink } from './links.tsx'

export function NotFound() {
  return (
    <EmptyState title="There is no such page">
      The address may be mistyped, or what it showed is gone.
      <ButtonLink to="/devices" mt="md" variant="light">
        To the devices
      </ButtonLink>
    </EmptyState>
  )
}
