import { Box, Group, Text, Title } from '@mantine/core'
import { useDocumentTitle } from '@mantine/hooks'
import type { ReactNode } from 'react'

interface PageTitleProps {
  readonly title: string
  /** Stands above the title: where this page is. */
  readonly above?: ReactNode
  readonly description?: ReactNode
  /** Buttons at the right. */
  readonly children?: ReactNode
}

export function PageTitle({ title, above, description, children }: PageTitleProps) {
  useDocumentTitle(`${title} · Drover`)
  return (
    <Group justify="space-between" align="flex-end" mb="lg" gap="md">
      <Box miw={0} flex="1 1 260px">
        {above && (
          <Text size="sm" c="dimmed" component="div" mb={4}>
            {above}
          </Text>
        )}
        <Title order={1} size="h2" style={{ overflowWrap: 'anywhere' }}>
          {title}
        </Title>
        {description && (
          <Text c="dimmed" size="sm" component="div" mt={4}>
            {description}
          </Text>
        )}
      </Box>
      <Group gap="xs">{children}</Group>
    </Group>
  )
}
