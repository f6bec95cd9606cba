import { Stack, Text, Title } from '@mantine/core'
import type { ReactNode } from 'react'

interface EmptyStateProps {
  readonly title: string
  readonly icon?: ReactNode
  /** What to do next. */
  readonly children?: ReactNode
}

/** Stands where content would be, and says what to do next. */
export function EmptyState({ title, icon, children }: EmptyStateProps) {
  return (
    <Stack align="center" gap="xs" py={64} px="md" ta="center">
      {icon}
      <Title order={2} size="h4">
        {title}
      </Title>
      <Text c="dimmed" size="sm" component="div" maw={460}>
        {children}
      </Text>
    </Stack>
  )
}
