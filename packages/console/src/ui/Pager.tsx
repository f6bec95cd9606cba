import { Button, Group, Text } from '@mantine/core'
import { IconChevronLeft, IconChevronRight } from '@tabler/icons-react'

interface PagerProps {
  readonly page: number
  /** Absent where there is nothing further. */
  readonly onNext?: () => void
  readonly onPrevious?: () => void
}

/** Steps through a list by cursor. Shown only when there is more than one page. */
export function Pager({ page, onNext, onPrevious }: PagerProps) {
  if (!onNext && !onPrevious) return null
  return (
    <Group justify="space-between" mt="md" component="nav" aria-label="Pages">
      <Button
        variant="default"
        disabled={!onPrevious}
        onClick={onPrevious}
        leftSection={<IconChevronLeft size={16} />}
      >
        Previous
      </Button>
      <Text size="sm" c="dimmed" className="numbers">
        Page {page}
      </Text>
      <Button
        variant="default"
        disabled={!onNext}
        onClick={onNext}
        rightSection={<IconChevronRight size={16} />}
      >
        Next
      </Button>
    </Group>
  )
}
